"""Waits at a first meeting, where a process that has ended may be replaced; and numbers of messages, which are their own."""

from __future__ import annotations

from lockstep.harness.judge.graph import stuck
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.trace.wait import Wait

WORLD, OTHER = "world", "other"


def rank(number: int, *waits: Wait, status: Status = Status.RUNNING, **entered: int) -> RankState:
    """A rank whose threads wait so."""
    return RankState(number, status=status, waiters=dict(enumerate(waits)), entered=entered)


def wait(comm: str, need: Need, peer: int = -1, op: str = "init") -> Wait:
    """Its first on that communicator."""
    return Wait(comm, 1, op, need, peer, 0, 0, "", "")


def knot(states: list[RankState], *, closed: bool) -> list[int]:
    """Who is stuck."""
    found = stuck({state.rank: state for state in states}, {WORLD: (0, 1, 2), OTHER: (0, 2)}, closed)
    return [one.rank for one in found]


def test_another_may_come_for_one_that_has_ended() -> None:
    """Nobody is stuck over it while processes may still be started; when none may, all are who wait for it."""
    come = wait(WORLD, Need.COME)
    states = [rank(0, come, world=1), rank(1, come, world=1), rank(2, status=Status.RETURNED)]
    assert knot(states, closed=False) == []
    assert knot(states, closed=True) == [0, 1]


def test_nobody_comes_for_one_that_is_there() -> None:
    """It waits for something that cannot come, and so do all."""
    come = wait(WORLD, Need.COME)
    states = [rank(0, come, world=1), rank(1, come, world=1), rank(2, wait(OTHER, Need.ALL), other=1)]
    assert knot(states, closed=False) == [0, 1, 2]


def test_a_message_has_a_number_of_its_own() -> None:
    """That a collective of the same number never ends says nothing of who waits for a message."""
    states = {
        0: rank(0, wait(WORLD, Need.RECV, 1, "recv")),
        1: rank(1, wait(WORLD, Need.RECV, 0, "recv")),
        2: rank(2),
    }
    found = stuck(states, {WORLD: (0, 1, 2)}, hopeless={(0, WORLD, 1): (2,), (1, WORLD, 1): (2,)})
    assert [(one.rank, one.lacks) for one in found] == [(0, (1,)), (1, (0,))]
