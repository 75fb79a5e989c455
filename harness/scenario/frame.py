"""The frame of a scenario file, as pydantic models: what is the same for every engine. All other keys of a file are sections
of the engine that it names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveInt, WithJsonSchema

from lockstep.harness.scenario.kernel_text import short_enough
from lockstep.harness.scenario.section import Section
from lockstep.harness.vocabulary import Cause, FindingKind, Mechanism, Outcome

DEFAULT_ENGINE = "minimal"  # of a scenario that names none: part of the file format, and all that is known of it here


LONGEST_S = 31_536_000  # a year: nothing that is asked to wait takes a number without an end


class LimitsSection(Section):
    """`limits`, in seconds."""

    deadline_s: float = Field(120.0, gt=0, le=LONGEST_S)
    livelock_s: float = Field(60.0, gt=0, le=LONGEST_S)
    launch_s: float = Field(60.0, gt=0, le=LONGEST_S)
    teardown_s: float = Field(10.0, gt=0, le=LONGEST_S)
    silence_s: float = Field(30.0, ge=3, le=LONGEST_S, description="a host that says nothing for so long is lost")


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
    error: str | None = Field(None, description="exception type of every error that is known; `no-error`: none is")
    decision: DecisionSection | None = None
    skipped: dict[str, list[int | str]] | None = Field(
        None, description="phase -> shapes that no rank ran: batch sizes, labels"
    )
    findings: list[FindingWord] | None = None
    absent_findings: list[FindingWord] | None = None


NAME = r"^[a-z0-9][a-z0-9._-]*$"
VALUES = {"anyOf": [{"type": "array", "items": {}}, {"type": "object"}]}  # who reads a file makes a list of both


class ConfigFile(Section):
    """`config_file`, where more than its path is said."""

    path: str = Field(min_length=1, description="relative to the scenario's file")
    product: str = Field("", description="whose config it is; default: told by its keys")
    scale: PositiveInt | None = Field(None, description="by what lengths in tokens are divided; default: as a CPU needs")
    ignore_unknown: bool = Field(False, description="leave keys out that nobody knows")


class Frame(Section):
    """A scenario file."""

    name: str = Field(pattern=NAME, description="unique among all scenarios")
    source: str = Field(min_length=1, description="where the case was reported")
    summary: str = Field(min_length=1, description="the mechanism, in one or two sentences")
    reports: list[Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+#[\w-]+$")]] = Field(
        default_factory=list,
        description="public reports of this hang, as owner/repository#number; `source` is the first's page",
    )
    mechanism_class: MechanismClass | None = Field(None, description="what diverges; docs/catalogue.md has the classes")
    tags: list[str] = Field(default_factory=list)
    engine: str = Field(DEFAULT_ENGINE, description="an installed engine; the keys that are not named here are its own")
    config_file: str | ConfigFile | None = Field(
        None, description="a config of the product that the engine stands for, as it is; what the file says beside it wins"
    )
    environment: Annotated[
        dict[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], str], AfterValidator(short_enough)
    ] = Field(default_factory=dict, description="environment variables of the ranks, beside those that they inherit")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="cuda: needs a GPU; auto: a GPU where there is one")
    launches: int = Field(
        1, ge=1, le=9, description="how often the job is launched, one after another, on what the earlier left"
    )
    nodes: PositiveInt | None = Field(None, description="hosts to run on, each with as many ranks; default: as it comes")
    ranks_per_node: PositiveInt | list[PositiveInt] | None = Field(
        None, description="ranks of every node, or those of each in the order of ranks"
    )
    limits: LimitsSection = LimitsSection()
    matrix: dict[str, Annotated[list[Any], WithJsonSchema(VALUES)]] = Field(
        default_factory=dict, description="dotted key -> its values, as a list or as a mapping of names to values"
    )
    expect: list[ExpectSection] = Field(min_length=1)
