"""Ranks of one program that meet at different places. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lockstep.harness.judge.apart import apart
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.history import History
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import CommInfo, RankState
from lockstep.harness.trace.wait import NOBODY_YET, Join, Wait
from tests.judge.test_standing import case

WORLD = CommInfo("gloo:world", "gloo", "world", (0, 1, 2))


def meeting(scopes: dict[int, list[str]], lacks: tuple[int, ...] = (NOBODY_YET,), need: Need = Need.COME) -> CaseSnapshot:
    """Ranks that wait for somebody to come to the last world that they have joined."""
    wait = Wait(WORLD.key, 1, "init", need, -1, 0, 0, "", "")
    states = {rank: RankState(rank, number=1, waiters={0: wait}) for rank in scopes}
    for rank, worlds in scopes.items():
        states[rank].joins += [Join(scope, rank, 3, True) for scope in worlds]
    knot = [Stuck(rank, 0, wait, lacks) for rank in scopes]
    return replace(case(states, {rank: History(rank) for rank in scopes}), knot=knot)


def test_ranks_at_different_places() -> None:
    """Who waits elsewhere than the lowest rank is to blame, and each place is told with its ranks."""
    blame = apart(meeting({0: ["torch 29500 0"], 1: ["torch 29501 0"], 2: ["torch 29500 0"]}))
    assert blame is not None
    assert (blame.ranks, blame.site, blame.choice) == ((1,), "init", "port 29501")
    assert blame.text == "Ranks meet at different places: ranks 0,2 at port 29500; rank 1 at port 29501"
    blame = apart(meeting({0: ["torch /tmp/here 0"], 1: ["torch 29500 0", "torch /tmp/there 0"], 2: ["mpi"]}))
    assert blame is not None
    assert (blame.ranks, blame.choice) == ((1, 2), "/tmp/there")  # the world that was joined last
    assert blame.text.endswith("rank 0 at /tmp/here; rank 1 at /tmp/there; rank 2 at mpi")


@pytest.mark.parametrize(
    "told",
    [
        meeting({0: ["torch 29500 0"], 1: ["torch 29500 0"]}),  # at one place
        meeting({0: ["torch 29500 0"], 1: ["torch 29501 0"]}, lacks=(2,)),  # for somebody who is known
        meeting({0: ["torch 29500 0"], 1: ["torch 29501 0"]}, need=Need.ALL),  # who have met
        meeting({}),
    ],
)
def test_ranks_that_are_not_apart(told: CaseSnapshot) -> None:
    """Whoever waits at one place, for somebody known, or in a world that has met is hung for another reason."""
    assert apart(told) is None
