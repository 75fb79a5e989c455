"""The description of TensorRT-LLM: where its warm-up stands, what its parts are called, our side of the graft."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from lockstep.engines.source.graft.bench import Bench
from lockstep.engines.source.graft.stand_in import StandIn
from lockstep.engines.source.graft.upstream import Entry, Request, Stand, Upstream
from lockstep.engines.source.trtllm import libraries
from lockstep.engines.source.trtllm.dist import Distributed, mapping
from lockstep.engines.source.trtllm.forward import Forward
from lockstep.engines.source.trtllm.graphs import PREFILL_BACKEND, CUDAGraphRunner, PiecewiseRunner
from lockstep.engines.source.trtllm.kv_cache import RESOURCE_MANAGER_TYPE, KVCacheManager, ResourceManager
from lockstep.engines.source.trtllm.requests import LlmRequest, ScheduledRequests
from lockstep.engines.source.trtllm.settings import of_runner, on_engine, spec_config

PYEXECUTOR = "tensorrt_llm/_torch/pyexecutor"


def _stand(bench: Bench) -> Stand:
    settings = bench.rank.settings
    kv_cache = KVCacheManager(bench)
    resources = ResourceManager(kv_cache)
    graphs, prefill = CUDAGraphRunner(bench), PiecewiseRunner()
    forward = Forward(bench, graphs, prefill)
    speculative = spec_config(settings)
    guided = settings.warm_up.guided_decoding and bench.rank.pipeline.last
    pretrained = StandIn("pretrained_config", max_position_embeddings=None, model_type="lockstep", rope_scaling=None)
    attributes = {
        **on_engine(settings),
        "_config": of_runner(settings),
        "forward": forward.method,
        "dist": Distributed(bench),
        "mapping": mapping(bench),
        "cuda_graph_runner": graphs,
        "breakable_cuda_graph_runner": None,
        "kv_cache_manager_key": RESOURCE_MANAGER_TYPE.KV_CACHE_MANAGER,
        "model": StandIn(
            "model", modules=lambda: iter(()), model_config=StandIn("model_config", pretrained_config=pretrained)
        ),
        "guided_decoder": StandIn("guided decoder") if guided else None,
        "sparse_attention_config": None,
        "attn_metadata": None,
        "spec_metadata": None,
        "get_runtime_tokens_per_gen_step": lambda draft_len: 1 + draft_len if speculative else 1,
        "_lora": StandIn("_lora", cuda_graph_manager=None),
        "_metrics": defaultdict(float),
        "_warmup_timer": libraries.WarmupTimer(),
    }
    names = {
        **libraries.names(bench),
        "KVCacheManager": KVCacheManager,
        "ResourceManager": ResourceManager,
        "ResourceManagerType": RESOURCE_MANAGER_TYPE,
        "LlmRequest": LlmRequest,
        "ScheduledRequests": ScheduledRequests,
        "PiecewiseRunner": PiecewiseRunner,
        "PrefillCudaGraphBackend": PREFILL_BACKEND,
        "capture_piecewise_cuda_graph": prefill.capture_piecewise_cuda_graph,
    }
    return Stand(
        names=names,
        libraries={"torch": libraries.torch(bench)},
        attributes=attributes,
        arguments={"resource_manager": resources, "kv_cache_manager": kv_cache},
        bind=forward.bind,
    )


def _general(bench: Bench) -> str:
    """The same method runs the general warm-up and, after everything else, fills the memory pool."""
    return "memory_pool" if {"autotuner", "generation_capture", "prefill_capture"} & set(bench.entered) else "general"


def _by_place(bench: Bench, given: Mapping[str, Any]) -> str:
    """Tokens depend on the rank's own capacity; the place in the phase is the same on ranks that mean the same request.

    For prefill graphs the tokens are the configured sizes, equal on all ranks.
    """
    if bench.phase == "prefill_capture":
        most = "" if given.get("least_requests", True) else " most-requests"
        return f"tokens={given['num_tokens']}{most}"
    generation = given["num_gen_tokens" if "num_gen_tokens" in given else "num_gen_requests"]
    return f"request={bench.requests} generation={'yes' if generation else 'no'}"


def _of_graph(bench: Bench, given: Mapping[str, Any]) -> str:
    engine, graphs = bench.grafted, bench.grafted.cuda_graph_runner
    metadata = engine.spec_metadata
    forced = given.get("force_non_greedy", False) or (metadata is not None and metadata._force_non_greedy_for_capture)
    sampling = "advanced" if forced else "greedy"
    stage = " warm-up" if graphs.is_warmup_only else ""
    return f"bs={given['batch_size']} draft={given['draft_len']} {sampling}{stage}"


UPSTREAM = Upstream(
    name="TensorRT-LLM",
    package="tensorrt_llm",
    entries=(
        Entry(
            f"{PYEXECUTOR}/engine/runners/decoder/runner.py", "DecoderRunner", "_warmup_scheduled",
            ("resource_manager", "kv_cache_manager"),
        ),
        Entry(f"{PYEXECUTOR}/model_engine.py", "PyTorchModelEngine", "warmup", ("resource_manager",)),
    ),
    phases={
        "_run_attention_warmup": lambda bench: "attention",
        "_general_warmup": _general,
        "_run_autotuner_warmup": lambda bench: "autotuner",
        "_capture_generation_cuda_graphs": lambda bench: "generation_capture",
        "_capture_piecewise_cuda_graphs": lambda bench: "prefill_capture",
        "_capture_prefill_cuda_graphs": lambda bench: "prefill_capture",
    },
    requests={
        "_create_warmup_request": Request(_by_place, ("num_tokens", "num_gen_requests", "num_gen_tokens")),
        "_create_cuda_graph_warmup_request": Request(_of_graph, ("batch_size", "draft_len")),
    },
    stand=_stand,
)  # fmt: skip
