"""Skew: delays and places of faults that are drawn from a seed, so that the same seed gives the same case. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from lockstep.harness.scenario.faults import Fault, FaultSections, Skew

Drawn = dict[str, Any]


def faults(sections: FaultSections[Any], ranks: int, phases: Sequence[str]) -> list[Drawn]:
    """The faults of a case for its engine: those of the file, each on one rank, and the delays that were drawn."""
    named = [_placed(fault, number, seed(sections), ranks) for number, fault in enumerate(sections.faults)]
    return named + (list(_delays(sections.skew, _model(sections), ranks, phases)) if sections.skew else [])


def record(sections: FaultSections[Any], faults: Sequence[Drawn]) -> dict[str, Any] | None:
    """What the verdict says of it: the seed and what was drawn; None where nothing is."""
    if sections.skew is None and all(isinstance(fault.rank, int) for fault in sections.faults):
        return None
    drawn = [
        {key: fault[key] for key in ("kind", "rank", "phase", "shape", "seconds") if fault[key] is not None}
        for number, fault in enumerate(faults)
        if fault["drawn"] or sections.faults[number].rank == "any"
    ]
    return {"seed": seed(sections), "drawn": drawn}


def seed(sections: FaultSections[Any]) -> int:
    """The seed of everything that is drawn."""
    return sections.skew.seed if sections.skew else 0


def _model(sections: FaultSections[Any]) -> type[Fault]:
    """The engine's own model of a fault: a drawn one has all of its keys."""
    (model,) = get_args(type(sections).model_fields["faults"].annotation)
    return model if isinstance(model, type) and issubclass(model, Fault) else Fault


def _placed(fault: Fault, number: int, seed: int, ranks: int) -> Drawn:
    raw = fault.model_dump()
    rank = _chance(seed, "fault", number).randrange(ranks)
    return {**raw, "rank": rank if fault.rank == "any" else fault.rank, "drawn": False}


def _delays(skew: Skew, model: type[Fault], ranks: int, phases: Sequence[str]) -> Iterator[Drawn]:
    """Each place draws for itself, so that one more rank, phase or shape changes nothing of the others."""
    if skew.seconds is None:
        return
    shapes: list[str | None] = list(skew.shapes) if skew.shapes else [None]
    for rank in range(ranks) if skew.ranks is None else skew.ranks:
        for phase in phases if skew.phases is None else skew.phases:
            for shape in shapes:
                chance = _chance(skew.seed, rank, phase, shape or "")
                chosen, seconds = chance.random() < skew.share, round(chance.uniform(*skew.seconds), 3)
                if chosen and seconds:
                    delay = model(kind=skew.kind, rank=rank, phase=phase, shape=shape, seconds=seconds)
                    yield {**delay.model_dump(), "drawn": True}


def _chance(*place: object) -> random.Random:
    """Random numbers of one place. From text, which Python turns into a state in the same way everywhere."""
    return random.Random(" ".join(map(str, place)))
