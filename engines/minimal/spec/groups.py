"""The settings of a rank by what they are about, each made from its part of the spec. Standard library only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockstep.engines.minimal.spec.model import LAYERS


@dataclass(frozen=True, slots=True)
class Message:
    """What a client or the coordinator sends to this rank's engine core."""

    kind: str
    step: int
    request: int | None
    tag: str | None


@dataclass(frozen=True, slots=True)
class KvSettings:
    """The KV cache of this rank: `kv_cache_config`, and its capacity."""

    tokens_per_block: int
    max_tokens: int | None
    unit: str  # blocks, bytes, fraction, ballast_bytes
    amount: float
    fraction: float  # of what ballast leaves
    block_reuse: bool
    host_blocks: int  # of the host tier of this rank
    host_tier: bool  # whether any rank has one
    prefetch: bool

    @staticmethod
    def of(config: Mapping[str, Any], capacity: Mapping[str, Any], rank: int) -> KvSettings:
        """From `kv_cache_config` and `kv_capacity`."""
        host = config["host_blocks"]
        return KvSettings(
            tokens_per_block=config["tokens_per_block"],
            max_tokens=config["max_tokens"],
            unit=capacity["unit"],
            amount=capacity["per_rank"][rank],
            fraction=config["free_gpu_memory_fraction"],
            block_reuse=config["enable_block_reuse"],
            host_blocks=host[rank] if isinstance(host, list) else host,
            host_tier=bool(host if isinstance(host, int) else any(host)),
            prefetch=config["prefetch"],
        )


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """Which graphs are captured. Sizes: largest first; empty: no graphs of that kind."""

    sizes: tuple[int, ...]
    padding: bool
    prefill_sizes: tuple[int, ...]

    @staticmethod
    def of(config: Mapping[str, Any]) -> GraphSettings:
        """From `cuda_graph_config` and `torch_compile_config`, within the limits of a batch."""
        graphs, compiled = config["cuda_graph_config"], config["torch_compile_config"] or {}
        sizes: tuple[int, ...] = ()
        if graphs is not None:
            limit = min(graphs["max_batch_size"] or config["max_batch_size"], config["max_batch_size"])
            sizes = _sizes(graphs["batch_sizes"], limit)
        piecewise = compiled.get("enable_piecewise_cuda_graph")
        prefill = _sizes(compiled["capture_num_tokens"], config["max_num_tokens"]) if piecewise else ()
        return GraphSettings(sizes, bool((graphs or {}).get("enable_padding")), prefill)


@dataclass(frozen=True, slots=True)
class DraftSettings:
    """Draft tokens a step, and the number of requests above which there are none."""

    length: int
    off_above: int | None

    @property
    def lengths(self) -> tuple[int, ...]:
        """Draft lengths to capture: the full one, and none where drafts are turned off for large batches."""
        return (self.length, 0) if self.length and self.off_above is not None else (self.length,)

    @staticmethod
    def of(config: Mapping[str, Any]) -> DraftSettings:
        """From `speculative_config`."""
        speculative = config["speculative_config"] or {}
        return DraftSettings(speculative.get("num_nextn_predict_layers", 0), speculative.get("max_concurrency"))


@dataclass(frozen=True, slots=True)
class MoeSettings:
    """Which layers have experts, and how tokens get there and back."""

    dense_layers: tuple[int, ...]  # layers without experts
    workspace_bytes: int  # of a token between dispatch and combine
    chunk: int | None  # tokens of a rank that one dispatch carries; None: all of them
    by_mode: bool  # eager forwards exchange tokens by all-reduce, graphs by all-to-all

    @staticmethod
    def of(config: Mapping[str, Any]) -> MoeSettings:
        """From `moe_config`, `model_kwargs` and `moe_workspace_bytes`."""
        moe, model = config["moe_config"] or {}, config["model_kwargs"]
        first, frequency = model["first_k_dense_replace"], model["moe_layer_freq"]
        dense = tuple(layer for layer in range(LAYERS) if layer < first or layer % frequency)
        by_mode = moe.get("comm_method") == "by-mode"
        return MoeSettings(dense, config["moe_workspace_bytes"], moe.get("max_num_tokens"), by_mode)


@dataclass(frozen=True, slots=True)
class WarmUpSettings:
    """Which phases there are, how each is guarded, and what they find out."""

    guards: dict[str, str]
    phases: dict[str, bool]
    guided_decoding: bool  # a guided decoder turns the general warm-up off
    autotuner: bool
    autotuner_cache: str  # memory, rank-file or first-rank-file
    compile_cache: str  # memory or rank-file
    estimate_kv_cache: bool

    @staticmethod
    def of(spec: Mapping[str, Any]) -> WarmUpSettings:
        """From the resolved `guards`, and `config`."""
        config = spec["config"]
        return WarmUpSettings(
            guards=spec["guards"],
            phases=spec["warmup"],
            guided_decoding=config["guided_decoding_backend"] is not None,
            autotuner=config["enable_autotuner"],
            autotuner_cache=config["autotuner_cache"],
            compile_cache=config["compile_cache"],
            estimate_kv_cache=config["estimate_kv_cache"],
        )


@dataclass(frozen=True, slots=True)
class WorkloadSettings:
    """The requests, by number, and what comes to this rank beside them."""

    requests: int
    prompt_tokens: int
    new_tokens: tuple[int, ...]  # of each request
    seed: int
    images: tuple[int, ...]  # requests whose prompts have an image
    grammars: tuple[int, ...]  # requests with structured output
    prompts: int | None  # how many different ones there are
    pulled: tuple[int, ...]  # requests whose prompts a neighbour computes
    received: tuple[int, ...]  # requests whose prompts were computed by an earlier stage
    context_only: bool  # the KV of a computed prompt is sent away
    messages: tuple[Message, ...]  # to this rank, in the order of their arrival

    @staticmethod
    def of(workload: Mapping[str, Any], rank: int) -> WorkloadSettings:
        """From `workload`."""
        lengths, listed = workload["new_tokens"], workload["messages"]
        mine = [message for message in listed if message["ranks"] is None or rank in message["ranks"]]
        return WorkloadSettings(
            requests=workload["requests"],
            prompt_tokens=workload["prompt_tokens"],
            new_tokens=(lengths,) * workload["requests"] if isinstance(lengths, int) else tuple(lengths),
            seed=workload["seed"],
            images=tuple(workload["images"]),
            grammars=tuple(workload["grammars"]),
            prompts=workload["prompts"],
            pulled=tuple(workload["pulled"]),
            received=tuple(workload["received"]),
            context_only=workload["context_only"],
            messages=tuple(Message(each["kind"], each["step"], each["request"], each["tag"]) for each in mine),
        )


@dataclass(frozen=True, slots=True)
class DataParallelSettings:
    """Of engine cores, and of ranks that share their parameters."""

    backend: str | None  # None: TensorRT-LLM's executor
    async_scheduling: bool
    sync_interval: int  # steps between two agreements on whether any rank has work
    zero_stage: int  # 3: parameters are partitioned, and gathered as layers need them

    @staticmethod
    def of(config: Mapping[str, Any]) -> DataParallelSettings:
        """From `config`."""
        stage = config["zero_optimization"]["stage"]
        return DataParallelSettings(
            config["data_parallel_backend"], config["async_scheduling"], config["dp_sync_interval"], stage
        )


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long things may take, in seconds. None: as long as they do."""

    warm_up_s: float | None  # a collective of the data plane
    serve_s: float | None  # the same, while requests are decoded
    step_broadcast_s: float
    hang_detection_s: float | None  # without an iteration of the executor
    crash_grace_s: float
    receive_s: float  # KV from an earlier stage
    waiting_s: float | None  # a request for room

    @staticmethod
    def of(config: Mapping[str, Any], workload: Mapping[str, Any]) -> Timeouts:
        """From `config` and `workload`."""
        return Timeouts(
            warm_up_s=config["data_plane_timeout_s"]["warm_up"],
            serve_s=config["data_plane_timeout_s"]["serve"],
            step_broadcast_s=config["step_broadcast_timeout_s"],
            hang_detection_s=config["hang_detection_timeout"],
            crash_grace_s=config["rank_crash_grace_s"],
            receive_s=workload["receive_timeout_s"],
            waiting_s=workload["waiting_timeout_s"],
        )


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """What this rank computes on."""

    kind: str  # cpu or cuda
    gpu_memory: int | None  # bytes of this rank's share of its GPU; None: an equal share
    plane: str  # auto, nccl or symm_mem
    breadcrumbs: bool  # whether the device marks its collectives
    host_memory: int | None  # bytes that forwards may take on the host; None: no limit

    @staticmethod
    def of(spec: Mapping[str, Any], rank: int) -> DeviceSettings:
        """From `device`, `gpu` and `cpu`."""
        gpu, host = spec["gpu"], spec["cpu"]["memory_bytes"]
        memory = gpu["memory_bytes"] and gpu["memory_bytes"][rank]
        return DeviceSettings(spec["device"], memory, gpu["plane"], gpu["breadcrumbs"], host and host[rank])


def _sizes(listed: list[int] | None, limit: int) -> tuple[int, ...]:
    """Those of the list within the limit, else powers of two; largest first."""
    sizes = listed or [1 << n for n in range(limit.bit_length())]
    return tuple(sorted({size for size in sizes if size <= limit}, reverse=True))
