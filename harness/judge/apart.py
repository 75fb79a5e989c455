"""Ranks of one program that meet at different places, another port say: each waits for peers that wait elsewhere. Pure."""

from __future__ import annotations

from collections import defaultdict

from lockstep.harness.judge import words
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.verdict import Blame
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.wait import NOBODY_YET


def apart(case: CaseSnapshot) -> Blame | None:
    """By those that wait at another place than the lowest rank; None where it is not that."""
    waits = [stuck for stuck in case.knot if stuck.wait.need is Need.COME]
    if not any(peer >= NOBODY_YET for stuck in waits for peer in stuck.lacks):
        return None
    places: dict[str, list[int]] = defaultdict(list)
    for rank in sorted({stuck.rank for stuck in waits}):
        joins = case.states[rank].joins
        places[joins[-1].scope if joins else ""].append(rank)
    if len(places) < 2:
        return None
    first, *others = places.items()
    listed = "; ".join(f"{words.ranks_text(ranks)} at {_place(scope)}" for scope, ranks in (first, *others))
    blamed = tuple(sorted(rank for _, ranks in others for rank in ranks))
    return Blame(blamed, "collective", f"Ranks meet at different places: {listed}", site="init", choice=_place(others[0][0]))


def _place(scope: str) -> str:
    """The address in the name of a world."""
    library, _, rest = scope.partition(" ")
    place = rest.rpartition(" ")[0] or rest or library
    return f"port {place}" if place.isdigit() else place
