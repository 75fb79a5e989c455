"""The autotuner's cache on its way through the pipeline: each stage tunes with what the stages before it have found.

Source: NVIDIA/TensorRT-LLM `AutoTuner.cache_pp_recv`, `cache_pp_send` and `clean_pp_flag` (#10011).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.engines.minimal.warmup.variants.cache_hand_off import CACHE_HAND_OFF
from lockstep.harness.trace import Recorder


class CacheHandOff:
    """One rank's part in it. With one stage nothing is sent. `cache`: tunable operation -> tactic."""

    def __init__(self, settings: Settings, pp: Communicator, recorder: Recorder) -> None:
        self.pp, self.recorder = pp, recorder
        self.cache: dict[str, int] = {}
        self.tuning = False
        self.received = False  # in this pass
        self._order = CACHE_HAND_OFF.of(settings)

    @contextmanager
    def tuned(self) -> Iterator[None]:
        """One pass of the autotuner: a forward in which `choose_one` is called for each tunable operation."""
        self.tuning = failed = True
        try:
            yield
            failed = False
            self._order.passed(self)
        finally:
            self._order.left(self, failed)
            self.tuning = self.received = False  # clean_pp_flag

    def choose_one(self, operation: str) -> None:
        """A tunable operation is met in the forward: take over what the stage before has found, then choose."""
        if self.tuning:
            self._order.met(self)
            self.cache.setdefault(operation, len(self.cache))

    def receive(self) -> None:
        """Take over what the stage before has found, once a pass."""
        if self.pp.rank > 0 and not self.received:
            self.received = True
            self.cache |= self.pp.recv(self.pp.rank - 1, "tactics")

    def send(self) -> None:
        """Hand it on to the stage behind."""
        if self.pp.rank < self.pp.size - 1:
            self.pp.send(self.cache, self.pp.rank + 1, "tactics")
