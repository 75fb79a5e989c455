"""The sections `faults` and `skew`, for engines that take them: what happens to which rank, and where. The kinds of faults
and what they need are the engine's; ranks, launches and phases are checked here, and delays drawn (see `skew`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field, NonNegativeInt, PositiveInt

from lockstep.harness.scenario.causes import meant
from lockstep.harness.scenario.document import Keys
from lockstep.harness.scenario.section import Section


class Fault(Section):
    """One entry of `faults`: what happens to one rank, and where. An engine narrows `kind` to what its ranks can do."""

    kind: str
    rank: NonNegativeInt | Literal["any"] = Field(description="any: one that is drawn from `skew.seed`")
    phase: str
    launch: PositiveInt | None = Field(None, description="in which of the launches, from 1; default: in each")
    shape: str | None = Field(None, description="a shape of that phase whose text holds these words; default: its start")
    seconds: float | None = Field(None, gt=0, description="how long")


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


F = TypeVar("F", bound=Fault)


class FaultSections(Section, Generic[F]):
    """The base of an engine's sections where its ranks can do faults: `class Sections(FaultSections[MyFault])`."""

    faults: list[F] = Field(default_factory=list)
    skew: Skew | None = Field(None, description="random delays, drawn from a seed")


def wrong_faults(
    sections: FaultSections[Fault], ranks: int, launches: int, phases: Sequence[str]
) -> Iterator[tuple[Keys, str]]:
    """Places that are not there, as path and sentence with advice."""
    for number, fault in enumerate(sections.faults):
        yield from _wrong_fault(number, fault.model_dump(), ranks, launches, phases)
    if sections.skew is not None:
        yield from _wrong_skew(sections.skew, ranks, phases)


def wrong_places(faults: object, ranks: int, launches: int, phases: Sequence[str]) -> Iterator[tuple[Keys, str]]:
    """The same of faults in which something else is wrong too: what can be read of them."""
    for number, fault in enumerate(faults if isinstance(faults, list) else ()):
        if isinstance(fault, Mapping):
            yield from _wrong_fault(number, fault, ranks, launches, phases)


def _wrong_fault(
    number: int, fault: Mapping[str, object], ranks: int, launches: int, phases: Sequence[str]
) -> Iterator[tuple[Keys, str]]:
    rank, launch, phase = (fault.get(key) for key in ("rank", "launch", "phase"))
    if type(rank) is int and rank >= ranks:  # a bool is told as such
        yield ("faults", number, "rank"), no_rank(rank, ranks)
    if type(launch) is int and launch > launches:
        yield ("faults", number, "launch"), f"there is no launch {launch}; launches is {launches}"
    if isinstance(phase, str) and phase not in phases:
        yield ("faults", number, "phase"), no_phase(phase, phases)


def _wrong_skew(skew: Skew, ranks: int, phases: Sequence[str]) -> Iterator[tuple[Keys, str]]:
    if skew.seconds is not None and skew.seconds[0] > skew.seconds[1]:
        yield ("skew", "seconds"), "the least is more than the most; give [least, most]"
    for number, rank in enumerate(skew.ranks or ()):
        if rank >= ranks:
            yield ("skew", "ranks", number), no_rank(rank, ranks)
    for number, phase in enumerate(skew.phases or ()):
        if phase not in phases:
            yield ("skew", "phases", number), no_phase(phase, phases)


def no_rank(rank: int, ranks: int) -> str:
    """Said of a rank that is not there."""
    return f"there is no rank {rank}; ranks are 0 to {ranks - 1}"


def no_phase(phase: str, phases: Sequence[str]) -> str:
    """Said of a phase that the engine does not have."""
    there = f"there are {', '.join(phases)}"
    return f"unknown phase {phase!r}; {meant(phase, phases, there)}"
