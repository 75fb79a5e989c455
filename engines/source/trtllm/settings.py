"""TensorRT-LLM's settings as its warm-up reads them: on the engine object, or in the config of its runner."""

from __future__ import annotations

from typing import Any

from lockstep.engines.minimal.spec.settings import Settings
from lockstep.engines.source.graft.stand_in import StandIn
from lockstep.engines.source.trtllm.graphs import PREFILL_BACKEND
from lockstep.engines.source.trtllm.libraries import ATTENTION_BACKEND


def values(settings: Settings) -> dict[str, Any]:
    """Named alike in every version; the versions differ in where they look."""
    drafts, prefill = settings.drafts.length, bool(settings.graphs.prefill_sizes)
    return {
        "max_beam_width": 1,
        "max_num_tokens": settings.max_num_tokens,
        "max_seq_len": settings.max_seq_len,
        "max_draft_len": drafts,
        "max_total_draft_tokens": drafts,
        "max_draft_loop_tokens": drafts,
        "original_max_draft_len": drafts,
        "original_max_total_draft_tokens": drafts,
        "is_spec_decode": bool(drafts),
        "spec_config": spec_config(settings),
        "is_draft_model": False,
        "use_mrope": False,
        "enable_attention_dp": settings.parallel.attention_dp,
        "prefill_cuda_graph_backend": PREFILL_BACKEND.PIECEWISE if prefill else PREFILL_BACKEND.DISABLED,
    }


def on_engine(settings: Settings) -> dict[str, Any]:
    """Attributes of `PyTorchModelEngine`."""
    prefill = bool(settings.graphs.prefill_sizes)
    return {
        **values(settings),
        "batch_size": settings.max_batch_size,
        "attn_backend": ATTENTION_BACKEND,
        "llm_args": StandIn(
            "llm_args", enable_autotuner=settings.warm_up.autotuner, lora_config=None, disable_overlap_scheduler=True
        ),
        "pytorch_backend_config": StandIn("pytorch_backend_config", enable_autotuner=settings.warm_up.autotuner),
        "enable_spec_decode": bool(settings.drafts.length),
        "runtime_draft_len": settings.drafts.length,
        "model_is_wrapped": False,
        "cuda_graph_lora_manager": None,
        "moe_load_balancer": None,
        "_cuda_graph_batch_sizes": sorted(settings.graphs.sizes),
        "_piecewise_cuda_graph_num_tokens": sorted(settings.graphs.prefill_sizes),
        "_prefill_cuda_graph_num_tokens": sorted(settings.graphs.prefill_sizes),
        "_torch_compile_backend": None,
        "_torch_compile_enabled": prefill,
        "_torch_compile_piecewise_cuda_graph": prefill,
        "_is_encoder_decoder_model": lambda: False,
        "_is_encode_only": False,
        "_is_warmup": False,
    }


def of_runner(settings: Settings) -> StandIn:
    """The decoder runner's `_config`."""
    prefill = bool(settings.graphs.prefill_sizes)
    return StandIn(
        "_config",
        **values(settings),
        max_batch_size=settings.max_batch_size,
        attention_backend=ATTENTION_BACKEND,
        enable_autotuner=settings.warm_up.autotuner,
        cuda_graph_batch_sizes=sorted(settings.graphs.sizes),
        cuda_graph_specialize_lora=False,
        enable_in_graph_sampling=False,
        prefill_cuda_graph_num_tokens=sorted(settings.graphs.prefill_sizes),
        torch_compile_enabled=prefill,
        torch_compile_prefill_only=False,
        torch_compile_piecewise_cuda_graph=prefill,
    )


def spec_config(settings: Settings) -> StandIn | None:
    """Multi-token prediction inside one engine, a chain of drafts of one length."""
    if not settings.drafts.length:
        return None
    mode = StandIn(
        "spec_dec_mode", use_one_engine=lambda: True, support_dynamic_draft_len=lambda: False, is_eagle3=lambda: False
    )
    return StandIn(
        "spec_config",
        spec_dec_mode=mode,
        max_draft_len=settings.drafts.length,
        max_total_draft_tokens=settings.drafts.length,
        max_concurrency=settings.drafts.off_above,
        draft_len_schedule=None,
        is_linear_tree=True,
        get_runtime_tokens_per_gen_step=lambda draft_len: 1 + draft_len,
    )
