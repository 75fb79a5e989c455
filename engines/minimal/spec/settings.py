"""The spec that a rank gets, as typed settings. Standard library only; the harness has checked it before."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from lockstep.engines.minimal.spec.groups import (
    DataParallelSettings,
    DeviceSettings,
    DraftSettings,
    GraphSettings,
    KvSettings,
    MoeSettings,
    Timeouts,
    WarmUpSettings,
    WorkloadSettings,
)
from lockstep.harness.environment import LAUNCH, RANK, SPEC, STATE, WORLD


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
class Settings:
    """All settings of one rank, with TensorRT-LLM's names where it has them."""

    rank: int
    world: int
    parallel: Parallel
    max_batch_size: int
    max_seq_len: int
    max_num_tokens: int
    chunked_prefill: bool
    kv: KvSettings
    graphs: GraphSettings
    drafts: DraftSettings
    moe: MoeSettings
    warm_up: WarmUpSettings
    workload: WorkloadSettings
    data_parallel: DataParallelSettings
    timeouts: Timeouts
    device: DeviceSettings
    variants: Mapping[str, str]  # the word of each point at which engines differ
    faults: tuple[Fault, ...]
    on_error: str
    state: str  # folder that stays between the launches of a case

    @property
    def stage(self) -> int:
        """The pipeline stage of this rank, from 0."""
        return self.rank // self.parallel.tp

    @property
    def blocks_per_sequence(self) -> int:
        """Blocks of the longest sequence."""
        return -(-self.max_seq_len // self.kv.tokens_per_block)

    def with_blocks(self, blocks: int) -> Settings:
        """The same with a KV cache of so many blocks."""
        return replace(self, kv=replace(self.kv, unit="blocks", amount=blocks))

    @staticmethod
    def from_environment(environ: Mapping[str, str] = os.environ) -> Settings:
        """From LOCKSTEP_SPEC, LOCKSTEP_RANK and LOCKSTEP_WORLD. Raises KeyError when one is not set."""
        spec = json.loads(environ[SPEC])
        launch, state = int(environ.get(LAUNCH, "1")), environ.get(STATE, "state")
        return Settings.from_spec(spec, int(environ[RANK]), int(environ[WORLD]), launch, state)

    @staticmethod
    def from_spec(spec: Mapping[str, Any], rank: int, world: int, launch: int = 1, state: str = "state") -> Settings:
        """From a scenario's spec. `launch` counts from 1; `state` is the folder that stays between launches."""
        faults = [Fault(**fault) for fault in spec["faults"]]
        config, workload = spec["config"], spec["workload"]
        return Settings(
            rank=rank,
            world=world,
            parallel=Parallel(**spec["parallel"]),
            max_batch_size=config["max_batch_size"],
            max_seq_len=config["max_seq_len"],
            max_num_tokens=config["max_num_tokens"],
            chunked_prefill=config["enable_chunked_prefill"],
            kv=KvSettings.of(config["kv_cache_config"], spec["kv_capacity"], rank),
            graphs=GraphSettings.of(config),
            drafts=DraftSettings.of(config),
            moe=MoeSettings.of(config),
            warm_up=WarmUpSettings.of(spec),
            workload=WorkloadSettings.of(workload, rank),
            data_parallel=DataParallelSettings.of(config),
            timeouts=Timeouts.of(config, workload),
            device=DeviceSettings.of(spec, rank),
            variants=spec["habits"],
            faults=tuple(fault for fault in faults if fault.launch in (None, launch)),
            on_error=spec["on_error"],
            state=state,
        )
