"""The frame of a scenario file, as pydantic models: strict, no unknown key. The sections `config` and `guards` belong to
the engine that the file names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, model_validator

from lockstep.harness.vocabulary import Cause, FindingKind, Mechanism, Outcome

Positive = Field(gt=0)


class Section(BaseModel):
    """Strict: no unknown key, no conversion between types (but a whole number may stand for a float)."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Parallel(Section):
    """`parallel`: how the model is dealt to ranks."""

    tp: PositiveInt = Field(1, description="tensor-parallel ranks of a pipeline stage")
    pp: PositiveInt = Field(1, description="pipeline stages")
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


class Fault(Section):
    """One entry of `faults`: what happens to one rank, and where."""

    kind: FaultKind
    rank: NonNegativeInt | Literal["any"] = Field(description="any: one that is drawn from `skew.seed`")
    phase: str
    launch: PositiveInt | None = Field(None, description="in which of the launches, from 1; default: in each")
    shape: str | None = Field(None, description="a shape of that phase whose text holds these words; default: its start")
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


class Skew(Section):
    """`skew`: random delays, drawn from a seed."""

    seed: NonNegativeInt = Field(0, description="the same seed draws the same")
    seconds: Annotated[list[Annotated[float, Field(ge=0)]], Field(min_length=2, max_length=2)] | None = Field(
        None, description="least and most of a delay; without, nothing is delayed"
    )
    kind: Literal["delay", "stop"] = Field("delay", description="the fault that each delay is")
    ranks: list[NonNegativeInt] | None = Field(None, description="which ranks; default: all")
    phases: list[str] | None = Field(None, description="in which phases; default: all")
    shapes: list[str] | None = Field(None, description="at which shapes of these phases; default: where they begin")
    share: float = Field(1.0, gt=0, le=1, description="of the places, how many have a delay")


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


class LimitsSection(Section):
    """`limits`, in seconds."""

    deadline_s: float = Field(120.0, gt=0)
    livelock_s: float = Field(60.0, gt=0)
    launch_s: float = Field(60.0, gt=0)
    teardown_s: float = Field(10.0, gt=0)
    silence_s: float = Field(30.0, ge=3, description="a host that says nothing for so long is lost")


class DecisionSection(Section):
    """`decision` of an expectation: compared with the verdict's blame."""

    phase: str | None = None
    site: str | None = None
    shape: str | None = Field(None, description="words that the shape must hold")
    choice: str | None = None
    detail: dict[str, int | str] | None = Field(None, description="figures that must be equal")


if TYPE_CHECKING:  # a type checker cannot follow words that are taken from an enum
    MechanismClass: TypeAlias = str
    OutcomeWord: TypeAlias = str
    CauseWord: TypeAlias = str
    FindingWord: TypeAlias = str
else:
    MechanismClass = Literal[tuple(one.value for one in Mechanism)]
    OutcomeWord = Literal[tuple(one.value for one in Outcome)]
    CauseWord = Literal[tuple(one.value for one in Cause if one is not Cause.NONE)]
    FindingWord = Literal[tuple(one.value for one in FindingKind)]


class ExpectSection(Section):
    """One entry of `expect`. `when` names matrix keys; the entry with the most of them that fits a point wins."""

    when: dict[str, Any] = Field(default_factory=dict)
    note: str | None = Field(
        None, description="what these points show: the fix that they stand for, and what is wrong with it"
    )
    outcome: OutcomeWord
    cause: CauseWord | None = None
    proved: bool | None = None
    launch: PositiveInt | None = Field(None, description="the launch that the verdict is of")
    blame: list[NonNegativeInt] | None = None
    error: str | None = Field(None, description="exception type of every error that is known; `none`: no error is")
    decision: DecisionSection | None = None
    skipped: dict[str, list[int | str]] | None = Field(
        None, description="phase -> shapes that no rank ran: batch sizes, labels"
    )
    findings: list[FindingWord] | None = None
    absent_findings: list[FindingWord] | None = None


class Frame(Section):
    """A scenario file."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$", description="unique among all scenarios")
    source: str = Field(min_length=1, description="where the case was reported")
    summary: str = Field(min_length=1, description="the mechanism, in one or two sentences")
    reports: list[Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+#[\w-]+$")]] = Field(
        default_factory=list,
        description="public reports of this hang, as owner/repository#number; `source` is the first's page",
    )
    mechanism_class: MechanismClass | None = Field(None, description="what diverges; docs/catalogue.md has the classes")
    tags: list[str] = Field(default_factory=list)
    engine: str = "minimal"
    parallel: Parallel = Parallel()
    config: dict[str, Any] = Field(default_factory=dict, description="the engine's own settings")
    kv_capacity: KvCapacity | None = Field(None, description="needed by engines that have a KV cache")
    guards: dict[str, Any] = Field(default_factory=dict, description="the engine's guards")
    workload: Workload = Workload()
    faults: list[Fault] = Field(default_factory=list)
    skew: Skew | None = Field(None, description="random delays, drawn from a seed")
    on_error: Literal["park", "exit"] = Field("park", description="what a rank does after an exception")
    environment: dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str] = Field(
        default_factory=dict, description="environment variables of the ranks, beside those that they inherit"
    )
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="cuda: needs a GPU; auto: a GPU where there is one")
    gpu: Gpu = Gpu()
    cpu: Cpu = Cpu()
    launches: int = Field(
        1, ge=1, le=9, description="how often the job is launched, one after another, on what the earlier left"
    )
    nodes: PositiveInt | None = Field(None, description="hosts to run on, each with as many ranks; default: as it comes")
    ranks_per_node: PositiveInt | list[PositiveInt] | None = Field(
        None, description="ranks of every node, or those of each in the order of ranks"
    )
    limits: LimitsSection = LimitsSection()
    matrix: dict[str, list[Any]] = Field(default_factory=dict, description="dotted key -> its values")
    expect: list[ExpectSection] = Field(min_length=1)
