"""The spec that a rank gets, as typed settings. Standard library only; the harness has checked it before."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lockstep.engines.minimal.spec.variants import Habits

LAYERS = 2  # of the model


@dataclass(frozen=True, slots=True)
class Parallel:
    """How the model is dealt to ranks."""

    tp: int
    pp: int
    ep: int
    attention_dp: bool
    attention_tp: int = 1


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to one rank, and where."""

    kind: str
    rank: int
    phase: str
    shape: str | None
    seconds: float | None
    code: int | None
    leave: int | None
    bytes: int | None = None
    leave_bytes: int | None = None
    drawn: bool = False  # from a seed; its place may never come
    launch: int | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """What a client or the coordinator sends to this rank's engine core."""

    kind: str
    step: int
    request: int | None
    tag: str | None


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one rank, with TensorRT-LLM's names where it has them."""

    rank: int
    world: int
    parallel: Parallel
    max_batch_size: int
    max_seq_len: int
    max_num_tokens: int
    tokens_per_block: int
    max_kv_tokens: int | None
    kv_unit: str  # blocks, bytes, fraction, ballast_bytes
    kv_amount: float
    kv_fraction: float  # of what ballast leaves
    graph_sizes: tuple[int, ...]  # largest first; empty: no graphs
    graph_padding: bool
    draft_len: int
    draft_off_above: int | None
    dense_layers: tuple[int, ...]  # layers without experts
    guided_decoding: bool
    autotuner: bool
    autotuner_cache: str  # memory, rank-file or first-rank-file
    compile_cache: str  # memory or rank-file
    estimate_kv_cache: bool
    workspace_bytes: int  # of a token between dispatch and combine
    warm_up_timeout_s: float | None  # of a collective of the data plane
    serve_timeout_s: float | None
    broadcast_timeout_s: float
    hang_detection_s: float | None
    crash_grace_s: float
    prefill_sizes: tuple[int, ...]  # largest first; empty: no prefill graphs
    guards: dict[str, str]
    habits: Habits
    phases: dict[str, bool]
    requests: int
    prompt_tokens: int
    new_tokens: tuple[int, ...]  # of each request
    seed: int
    images: tuple[int, ...]  # requests whose prompts have an image
    grammars: tuple[int, ...]  # requests with structured output
    prompts: int | None  # how many different ones there are
    block_reuse: bool
    host_blocks: int  # of the host tier of this rank
    host_tier: bool  # whether any rank has one
    prefetch: bool
    pulled: tuple[int, ...]  # requests whose prompts a neighbour computes
    received: tuple[int, ...]  # requests whose prompts were computed by an earlier stage
    receive_timeout_s: float
    context_only: bool  # the KV of a computed prompt is sent away
    chunked_prefill: bool
    waiting_timeout_s: float | None  # how long a request may wait for room
    messages: tuple[Message, ...]  # to this rank, in the order of their arrival
    moe_chunk: int | None  # tokens of a rank that one dispatch carries; None: all of them
    moe_by_mode: bool  # eager forwards exchange tokens by all-reduce, graphs by all-to-all
    dp_backend: str | None  # None: TensorRT-LLM's executor
    async_scheduling: bool
    zero_stage: int  # 3: parameters are partitioned, and gathered as layers need them
    dp_sync_interval: int  # steps between two agreements on whether any rank has work
    faults: tuple[Fault, ...]
    on_error: str
    device: str  # cpu or cuda
    gpu_memory: int | None  # bytes of this rank's share of its GPU; None: an equal share
    plane: str  # auto, nccl or symm_mem
    breadcrumbs: bool  # whether the device marks its collectives
    host_memory: int | None  # bytes that forwards may take on the host; None: no limit
    state: str  # folder that stays between the launches of a case

    @property
    def stage(self) -> int:
        """The pipeline stage of this rank, from 0."""
        return self.rank // self.parallel.tp

    @property
    def draft_lens(self) -> tuple[int, ...]:
        """Draft lengths to capture: the full one, and none where drafts are turned off for large batches."""
        return (self.draft_len, 0) if self.draft_len and self.draft_off_above is not None else (self.draft_len,)

    @property
    def blocks_per_sequence(self) -> int:
        """Blocks of the longest sequence."""
        return -(-self.max_seq_len // self.tokens_per_block)

    @staticmethod
    def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
        """From LOCKSTEP_SPEC, LOCKSTEP_RANK and LOCKSTEP_WORLD. Raises KeyError when one is not set."""
        spec = json.loads(environ["LOCKSTEP_SPEC"])
        launch, state = int(environ.get("LOCKSTEP_LAUNCH", "1")), environ.get("LOCKSTEP_STATE", "state")
        return Settings.from_spec(spec, int(environ["LOCKSTEP_RANK"]), int(environ["LOCKSTEP_WORLD"]), launch, state)

    @staticmethod
    def from_spec(spec: Mapping[str, Any], rank: int, world: int, launch: int = 1, state: str = "state") -> Settings:
        """From a scenario's spec. `launch` counts from 1; `state` is the folder that stays between launches."""
        faults = [Fault(**fault) for fault in spec["faults"]]
        config, workload = spec["config"], spec["workload"]
        kv, speculative = config["kv_cache_config"], config["speculative_config"] or {}
        return Settings(
            rank=rank,
            world=world,
            parallel=Parallel(**spec["parallel"]),
            max_batch_size=config["max_batch_size"],
            max_seq_len=config["max_seq_len"],
            max_num_tokens=config["max_num_tokens"],
            tokens_per_block=kv["tokens_per_block"],
            max_kv_tokens=kv["max_tokens"],
            kv_unit=spec["kv_capacity"]["unit"],
            kv_amount=spec["kv_capacity"]["per_rank"][rank],
            kv_fraction=kv["free_gpu_memory_fraction"],
            graph_sizes=_graph_sizes(config),
            graph_padding=bool((config["cuda_graph_config"] or {}).get("enable_padding")),
            draft_len=speculative.get("num_nextn_predict_layers", 0),
            draft_off_above=speculative.get("max_concurrency"),
            dense_layers=_dense_layers(config),
            guided_decoding=config["guided_decoding_backend"] is not None,
            autotuner=config["enable_autotuner"],
            autotuner_cache=config["autotuner_cache"],
            compile_cache=config["compile_cache"],
            estimate_kv_cache=config["estimate_kv_cache"],
            workspace_bytes=config["moe_workspace_bytes"],
            warm_up_timeout_s=config["data_plane_timeout_s"]["warm_up"],
            serve_timeout_s=config["data_plane_timeout_s"]["serve"],
            broadcast_timeout_s=config["step_broadcast_timeout_s"],
            hang_detection_s=config["hang_detection_timeout"],
            crash_grace_s=config["rank_crash_grace_s"],
            prefill_sizes=_prefill_sizes(config),
            guards=spec["guards"],
            habits=Habits(**spec["habits"]),
            phases=spec["warmup"],
            requests=workload["requests"],
            prompt_tokens=workload["prompt_tokens"],
            new_tokens=_of_each(workload["new_tokens"], workload["requests"]),
            seed=workload["seed"],
            images=tuple(workload["images"]),
            grammars=tuple(workload["grammars"]),
            prompts=workload["prompts"],
            block_reuse=kv["enable_block_reuse"],
            host_blocks=kv["host_blocks"][rank] if isinstance(kv["host_blocks"], list) else kv["host_blocks"],
            host_tier=bool(kv["host_blocks"] if isinstance(kv["host_blocks"], int) else any(kv["host_blocks"])),
            prefetch=kv["prefetch"],
            pulled=tuple(workload["pulled"]),
            received=tuple(workload["received"]),
            receive_timeout_s=workload["receive_timeout_s"],
            context_only=workload["context_only"],
            chunked_prefill=config["enable_chunked_prefill"],
            waiting_timeout_s=workload["waiting_timeout_s"],
            messages=_messages(workload["messages"], rank),
            moe_chunk=(config["moe_config"] or {}).get("max_num_tokens"),
            moe_by_mode=(config["moe_config"] or {}).get("comm_method") == "by-mode",
            dp_backend=config["data_parallel_backend"],
            async_scheduling=config["async_scheduling"],
            zero_stage=config["zero_optimization"]["stage"],
            dp_sync_interval=config["dp_sync_interval"],
            faults=tuple(fault for fault in faults if fault.launch in (None, launch)),
            on_error=spec["on_error"],
            device=spec["device"],
            gpu_memory=spec["gpu"]["memory_bytes"] and spec["gpu"]["memory_bytes"][rank],
            plane=spec["gpu"]["plane"],
            breadcrumbs=spec["gpu"]["breadcrumbs"],
            host_memory=spec["cpu"]["memory_bytes"] and spec["cpu"]["memory_bytes"][rank],
            state=state,
        )


def _of_each(value: int | list[int], requests: int) -> tuple[int, ...]:
    return (value,) * requests if isinstance(value, int) else tuple(value)


def _messages(listed: list[dict[str, Any]], rank: int) -> tuple[Message, ...]:
    mine = [message for message in listed if message["ranks"] is None or rank in message["ranks"]]
    return tuple(Message(each["kind"], each["step"], each["request"], each["tag"]) for each in mine)


def _dense_layers(config: Mapping[str, Any]) -> tuple[int, ...]:
    model = config["model_kwargs"]
    first, frequency = model["first_k_dense_replace"], model["moe_layer_freq"]
    return tuple(layer for layer in range(LAYERS) if layer < first or layer % frequency)


def _graph_sizes(config: Mapping[str, Any]) -> tuple[int, ...]:
    graphs = config["cuda_graph_config"]
    if graphs is None:
        return ()
    limit = min(graphs["max_batch_size"] or config["max_batch_size"], config["max_batch_size"])
    sizes = graphs["batch_sizes"] or [1 << n for n in range(limit.bit_length())]
    return tuple(sorted({size for size in sizes if size <= limit}, reverse=True))


def _prefill_sizes(config: Mapping[str, Any]) -> tuple[int, ...]:
    compiled = config["torch_compile_config"] or {}
    if not compiled.get("enable_piecewise_cuda_graph"):
        return ()
    limit = config["max_num_tokens"]
    sizes = compiled["capture_num_tokens"] or [1 << n for n in range(limit.bit_length())]
    return tuple(sorted({size for size in sizes if size <= limit}, reverse=True))
