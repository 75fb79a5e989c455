"""The spec that a rank gets, as typed settings. Standard library only; the harness has checked it before."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from engines.minimal.habits import Habits

LAYERS = 2  # of the model


@dataclass(frozen=True, slots=True)
class Parallel:
    """How the model is dealt to ranks."""

    tp: int
    pp: int
    ep: int
    attention_dp: bool


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
    autotuner_cache: tuple[int, ...]  # token counts that need no tuning
    prefill_sizes: tuple[int, ...]  # largest first; empty: no prefill graphs
    guards: dict[str, str]
    habits: Habits
    phases: dict[str, bool]
    requests: int
    prompt_tokens: int
    new_tokens: int
    seed: int
    images: tuple[int, ...]  # requests whose prompts have an image
    faults: tuple[Fault, ...]
    on_error: str
    device: str  # cpu or cuda
    gpu_memory: int | None  # bytes of this rank's share of its GPU; None: an equal share
    plane: str  # auto, nccl or symm_mem
    breadcrumbs: bool  # whether the device marks its collectives

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
        return Settings.from_spec(spec, int(environ["LOCKSTEP_RANK"]), int(environ["LOCKSTEP_WORLD"]))

    @staticmethod
    def from_spec(spec: Mapping[str, Any], rank: int, world: int) -> Settings:
        """From a scenario's spec."""
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
            autotuner_cache=tuple(config["autotuner_cache"]),
            prefill_sizes=_prefill_sizes(config),
            guards=spec["guards"],
            habits=Habits(**spec["habits"]),
            phases=spec["warmup"],
            requests=workload["requests"],
            prompt_tokens=workload["prompt_tokens"],
            new_tokens=workload["new_tokens"],
            seed=workload["seed"],
            images=tuple(workload["images"]),
            faults=tuple(Fault(**fault) for fault in spec["faults"]),
            on_error=spec["on_error"],
            device=spec["device"],
            gpu_memory=spec["gpu"]["memory_bytes"] and spec["gpu"]["memory_bytes"][rank],
            plane=spec["gpu"]["plane"],
            breadcrumbs=spec["gpu"]["breadcrumbs"],
        )


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
