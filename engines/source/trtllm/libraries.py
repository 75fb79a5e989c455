"""Stand-ins of what TensorRT-LLM's warm-up uses around its control flow: torch, the autotuner, its logger, prewarming.

The minimal engine has no kernel to compile ahead and no scratch memory to free: calls that only do that do nothing here.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lockstep.engines.minimal.warmup.autotuner_pipeline import CacheHandOff
from lockstep.engines.source.graft.bench import Bench
from lockstep.engines.source.graft.stand_in import StandIn, absent, offered
from lockstep.engines.source.trtllm.kv_cache import extra_kv_tokens


class TrtllmAttentionMetadata:
    """The default attention backend's: with it, the attention warm-up runs."""


ATTENTION_BACKEND = StandIn("attention backend", Metadata=TrtllmAttentionMetadata)


class AutoTuner(StandIn):
    """One object for the rank. Tactics go from stage to stage as they do in the minimal engine."""

    hand_off: CacheHandOff
    hands_on: bool

    def get(self) -> AutoTuner:
        """The one."""
        return self

    def setup_distributed_state(self, mapping: Any, dist: Any = None) -> None:
        """Ranks are known already."""

    def cache_pp_recv(self) -> None:
        """From the stage before, unless a tunable operation has done so in this pass."""
        self.hand_off.receive()

    def cache_pp_send(self) -> None:
        """To the stage behind."""
        self.hand_off.send()

    def clean_pp_flag(self) -> None:
        """The next pass receives again."""
        self.hand_off.received = False

    def print_profiling_cache(self) -> None:
        """Nothing worth printing."""

    @contextmanager
    def autotune(self, tune_mode: bool = True, cache_path: str | None = None, rank: int = 0) -> Iterator[None]:
        """Forwards inside tune. Where the tree hands tactics on, they take over those of the stage before."""
        before, self.hand_off.tuning = self.hand_off.tuning, tune_mode and self.hands_on
        try:
            yield
        finally:
            self.hand_off.tuning = before


class Logger(StandIn):
    """Upstream's messages go to this rank's log."""

    def info(self, *text: Any) -> None:
        """On stderr."""
        print("[upstream]", *text, file=sys.stderr)

    debug = warning = error = info

    def warning_once(self, *text: Any, key: str = "") -> None:
        """On stderr, each time."""
        print("[upstream]", *text, file=sys.stderr)


class WarmupTimer(StandIn):
    """Times nothing."""

    def __enter__(self) -> WarmupTimer:
        return self

    def __exit__(self, *_: Any) -> None:
        return None

    def phase(
        self, name: str, record: bool = True, log_start: bool = True, metrics: Any = None, metric_name: str | None = None
    ) -> Any:
        """A context."""
        return contextlib.nullcontext()


class SamplingParams(StandIn):
    """How a dummy is to be sampled: any values that are not greedy."""


SAMPLE_TYPE = StandIn("SampleType", FULL="full", FAST="fast")  # tiers of sampling inside a graph


def nothing(*args: Any, **kwargs: Any) -> None:
    """For calls that only prepare, free or report."""


def no_context(*args: Any, **kwargs: Any) -> Any:
    """A context, or a decorator, that changes nothing."""
    return _Plain()


class _Plain(contextlib.ContextDecorator):
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: Any) -> None:
        return None


def torch(bench: Bench) -> StandIn:
    """What the warm-up's control flow asks of torch. Tensors are the minimal engine's own affair."""
    out_of_memory = bench.rank.engine.device.out_of_memory
    cuda = StandIn(
        "torch.cuda",
        synchronize=lambda device=None: None,  # a forward of ours ends synchronized
        empty_cache=lambda: None,
        OutOfMemoryError=out_of_memory,
    )
    return StandIn(
        "torch",
        inference_mode=no_context,
        no_grad=no_context,
        cuda=cuda,
        OutOfMemoryError=out_of_memory,
        nn=StandIn("torch.nn", Module=absent("Module")),
        Tensor=absent("Tensor"),
    )


def names(bench: Bench) -> dict[str, Any]:
    """By the symbol that is imported, wherever from: modules move between versions, names less so."""
    drafts = bench.rank.settings.drafts.length
    tuner = AutoTuner(
        hand_off=bench.hand_off, hands_on=bench.mentions("cache_pp_recv"), profiling_cache=bench.hand_off.cache
    )
    return {
        **{name: absent(name) for name in ABSENT},
        **dict.fromkeys(NOTHING, nothing),
        **dict.fromkeys(CONTEXTS, no_context),
        "TrtllmAttentionMetadata": TrtllmAttentionMetadata,
        "AutoTuner": tuner,
        "autotune": tuner.autotune,
        "logger": Logger(),
        "SamplingParams": SamplingParams,
        "SampleType": SAMPLE_TYPE,
        "CpType": StandIn("CpType", HELIX="helix", ULYSSES="ulysses", STAR="star", RING="ring"),
        "MoERunner": StandIn("MoERunner", clear_all_workspaces=nothing),
        "MXFP8GemmRunner": StandIn("MXFP8GemmRunner", sync_all_tactic_caches=nothing),
        "IS_FLASHINFER_MXFP8_CUTE_DSL_AVAILABLE": False,
        "cute_dsl_megamoe_custom_op": StandIn("cute_dsl_megamoe_custom_op", release_megamoe_profiling_scratch=nothing),
        "global_mpi_rank": lambda: bench.rank.settings.rank,
        "get_draft_kv_cache_manager": offered(lambda spec_config, resource_manager: None),
        "get_num_extra_kv_tokens": offered(lambda spec_config: extra_kv_tokens(drafts)),
        "get_static_draft_len": offered(lambda spec_config: drafts),
        "resolve_draft_len": nothing,  # dummies are made with their drafts
    }


# Classes of which the minimal engine has no instance.
ABSENT = (
    "BaseDraftingLoopWrapper", "ChainDrafter", "DSAtrtllmAttentionMetadata", "DeepseekV4Indexer", "Eagle3ResourceManager",
    "KVCacheManagerV2", "LlmRequestState", "MXFP8LinearMethod", "Mamba2Metadata", "MambaHybridCacheManager",
    "SeqLenAwareSparseAttentionConfig",
)  # fmt: skip
# Functions that compile ahead, free scratch memory, or report.
NOTHING = (
    "_set_moe_a2a_warmup", "clear_memory_buffers", "log_mem_snapshot", "maybe_bolt_clear_counters", "release_gc",
    "warmup_sampling_module",
)  # fmt: skip
# Contexts and decorators that time, mark, or lend memory.
CONTEXTS = (
    "_moe_a2a_steady_state_budget_for_capture", "flashinfer_mxfp8_autotune", "flashinfer_mxfp8_decode_graph_capture",
    "moe_a2a_steady_state_budget_for_capture", "nvtx_range", "timing_metric", "with_model_extra_attrs", "with_shared_pool",
)  # fmt: skip
