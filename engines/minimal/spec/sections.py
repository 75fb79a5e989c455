"""The sections of a scenario for the minimal engine. Read by the harness only; ranks get the result as plain JSON.

`config` and `guards` have a file of their own: `schema`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

from lockstep.engines.minimal.spec.schema import Config, Guards
from lockstep.harness.engine_api import Fault as AnyFault
from lockstep.harness.engine_api import FaultSections, Section

MOST = 65_536  # ranks of either kind


class Parallel(Section):
    """`parallel`: how the model is dealt to ranks."""

    tp: PositiveInt = Field(1, le=MOST, description="tensor-parallel ranks of a pipeline stage")
    pp: PositiveInt = Field(1, le=MOST, description="pipeline stages")
    ep: PositiveInt | None = Field(None, description="expert-parallel ranks; default: tp")
    attention_tp: PositiveInt = Field(1, description="ranks that share requests and attention heads under attention DP")
    attention_dp: bool = Field(False, description="every rank has its own requests and its own KV capacity")


class PerRank(Section):
    """A value for most ranks, and others for some."""

    default: float
    ranks: dict[int, float] = Field(default_factory=dict)


Amount = float | list[float] | PerRank


class KvCapacity(Section):
    """`kv_capacity`: one of its keys; a number for all ranks, a list, or {default, ranks}."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    blocks: Amount | None = Field(None, description="KV blocks")
    bytes: Amount | None = Field(None, description="bytes of the KV pool")
    fraction: Amount | None = Field(None, description="share of the memory that is free")
    ballast_bytes: Amount | None = Field(None, description="memory that is really taken before the pool is sized")

    @model_validator(mode="after")
    def _one(self) -> KvCapacity:
        if len(self.model_fields_set) != 1 or None in (getattr(self, name) for name in self.model_fields_set):
            raise ValueError(f"give exactly one of {', '.join(type(self).model_fields)}")
        return self


MessageKind = Literal[
    "add_request", "kv_arrived", "start_wave", "pause", "resume", "sleep", "wake_up", "update_weights",
]  # fmt: skip


class Message(Section):
    """One entry of `workload.messages`: what a client or the coordinator sends to engine cores, in the order of arrival."""

    kind: MessageKind
    ranks: list[NonNegativeInt] | None = Field(None, description="who gets it; default: every rank")
    step: NonNegativeInt = Field(0, description="not before the rank has run so many steps, unless it has nothing to run")
    request: NonNegativeInt | None = Field(None, description="of add_request and kv_arrived: the request")
    tag: Literal["weights", "kv_cache"] | None = Field(None, description="of wake_up: what wakes; default: everything")

    @model_validator(mode="after")
    def _complete(self) -> Message:
        if (self.kind in ("add_request", "kv_arrived")) != (self.request is not None):
            raise ValueError(f"`request` {'is needed' if self.request is None else 'has no meaning'} for {self.kind}")
        if self.tag is not None and self.kind != "wake_up":
            raise ValueError(f"`tag` has no meaning for {self.kind}")
        return self


class Workload(Section):
    """`workload`: what is decoded after the warm-up."""

    requests: NonNegativeInt = Field(4, description="requests in all; dealt to the ranks under attention DP")
    prompt_tokens: PositiveInt = 6
    new_tokens: PositiveInt | list[PositiveInt] = Field(8, description="tokens of each request, or one number for each")
    images: list[NonNegativeInt] = Field(default_factory=list, description="requests whose prompts have an image")
    grammars: list[NonNegativeInt] = Field(default_factory=list, description="requests with structured output")
    prompts: PositiveInt | None = Field(None, description="how many different prompts there are; default: as requests")
    pulled: list[NonNegativeInt] = Field(default_factory=list, description="requests whose KV is read from a neighbour")
    received: list[NonNegativeInt] = Field(default_factory=list, description="requests whose KV an earlier stage sends")
    receive_timeout_s: float = Field(30.0, gt=0, description="how long a rank waits for that")
    context_only: bool = Field(False, description="requests end with their prompt, whose KV is sent away")
    waiting_timeout_s: float | None = Field(None, gt=0, description="how long a request may wait for room")
    messages: list[Message] = Field(default_factory=list, description="control messages, in the order of their arrival")
    seed: int = 0


FaultKind = Literal[
    "delay", "stop", "raise", "exit", "kill", "segv", "abort", "return", "spin", "gil", "clock", "exhaust",
    "ballast", "device-error", "skip-launch",
]  # fmt: skip


class Fault(AnyFault):
    """One entry of `faults`, with what this engine's ranks can do."""

    kind: FaultKind
    seconds: float | None = Field(
        None, gt=0, description="of delay, stop, gil and clock; of exhaust: until the blocks come back"
    )
    code: int | None = Field(None, description="of exit and abort")
    leave: NonNegativeInt | None = Field(None, description="of exhaust: free KV blocks to leave")
    bytes: PositiveInt | None = Field(None, description="of ballast: device memory to take")
    leave_bytes: NonNegativeInt | None = Field(None, description="of ballast: device memory to leave, instead of bytes")

    @model_validator(mode="after")
    def _complete(self) -> Fault:
        if (self.kind == "ballast") != ((self.bytes is None) != (self.leave_bytes is None)):
            raise ValueError("ballast, and nothing else, needs either `bytes` or `leave_bytes`")
        timed = self.kind in ("delay", "stop", "gil", "clock")
        if self.kind != "exhaust" and timed != (self.seconds is not None):
            raise ValueError(f"`seconds` {'is needed' if self.seconds is None else 'has no meaning'} for {self.kind}")
        return self


class Gpu(Section):
    """`gpu`: what holds on the device `cuda` only."""

    memory_bytes: Amount | None = Field(
        None, description="device memory that a rank may use beside its context; default: an equal share of its GPU"
    )
    plane: Literal["auto", "nccl", "symm_mem"] = Field(
        "auto", description="the data plane; symm_mem: all ranks share one GPU"
    )
    breadcrumbs: bool = Field(True, description="the device marks its collectives, so that hangs on it can be proved")


class Cpu(Section):
    """`cpu`: what holds on the device `cpu` only."""

    memory_bytes: Amount | None = Field(
        None, description="host memory that a rank's forwards may take beside weights and KV pool; default: no limit"
    )


class ServingSections(FaultSections[Fault]):
    """What every engine has that runs on the minimal one's ranks; `config` and `guards` are its own."""

    parallel: Parallel = Parallel()
    config: Config = Config()
    kv_capacity: KvCapacity
    guards: Section = Section()
    workload: Workload = Workload()
    on_error: Literal["park", "exit"] = Field("park", description="what a rank does after an exception")
    gpu: Gpu = Gpu()
    cpu: Cpu = Cpu()


class Sections(ServingSections):
    """The sections of the engine `minimal`."""

    guards: Guards = Guards()
