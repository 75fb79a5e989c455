"""Stand-ins of TensorRT-LLM's graph runners: whether forwards may use graphs, make them, or only warm them up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lockstep.engines.source.graft.bench import Bench
from lockstep.engines.source.graft.stand_in import StandIn

PREFILL_WARMUP_STEPS = 3  # forwards before the one that captures, as upstream's piecewise runner counts them


class CUDAGraphRunner(StandIn):
    """Generation graphs. The graphs themselves are the minimal engine's."""

    enabled: bool
    is_warmup_only: bool
    capturing: bool

    def __init__(self, bench: Bench) -> None:
        super().__init__(
            bench=bench,
            enabled=bool(bench.rank.settings.graphs.sizes),
            is_warmup_only=False,
            capturing=not bench.mentions("allow_capture"),  # before there was that, a graph was made when it was first used
            padding_dummy_requests={},
            padding_enabled=bench.rank.settings.graphs.padding,
            enable_encoder_decoder_mixed_cuda_graph=False,
            sample_type=None,
        )

    @contextmanager
    def allow_capture(self) -> Iterator[None]:
        """Graphs may be made inside."""
        self.capturing = True
        try:
            yield
        finally:
            self.capturing = False

    def preallocate_padding_dummies(self, resource_manager: Any) -> None:
        """Nothing to take: padding rows live in a block that is nobody's."""

    def set_capture_sample_type(self, sample_type: Any) -> None:
        """The sampling tier of the graphs to come."""
        self.sample_type = sample_type

    @property
    def stage(self) -> str:
        """What the minimal engine is to do about a generation graph that it has not got."""
        if not (self.enabled and self.capturing):
            return "serve"
        return "warm-up" if self.is_warmup_only else "capture"


class PiecewiseRunner(StandIn):
    """Prefill graphs: where that is switched on, the forward after a shape's warm-up forwards makes its graph."""

    WARMUP_STEPS = PREFILL_WARMUP_STEPS
    capturing: bool
    seen: dict[int, int]

    def __init__(self) -> None:
        super().__init__(capturing=False, seen={})

    @contextmanager
    def capture_piecewise_cuda_graph(self, enable: bool) -> Iterator[None]:
        """Graphs are made inside."""
        before, self.capturing = self.capturing, enable
        try:
            yield
        finally:
            self.capturing = before

    def stage(self, num_tokens: int) -> str:
        """What to do with this forward of so many tokens."""
        seen = self.seen[num_tokens] = self.seen.get(num_tokens, 0) + 1
        return "capture" if seen > PREFILL_WARMUP_STEPS else "warm-up"


PREFILL_BACKEND = StandIn("PrefillCudaGraphBackend", DISABLED="disabled", PIECEWISE="piecewise", BREAKABLE="breakable")
