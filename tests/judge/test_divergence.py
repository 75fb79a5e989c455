"""Which decision parted two ranks, and who is bereft of whom. Pure."""

from __future__ import annotations

import pytest

from lockstep.harness.judge.bereft import bereft_of, failed
from lockstep.harness.judge.divergence import split_before
from lockstep.harness.judge.history import Decision, Entry, History
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import CommInfo, RankState, Status
from lockstep.harness.trace.wait import Wait
from tests.judge.test_standing import WORLD, case


def history(rank: int, entered: tuple[int, ...], *decisions: tuple[int, str, str, bool]) -> History:
    """A rank that entered collectives at these places, and decided: where, at what, which way, and whether that deviates."""
    return History(
        rank,
        comms={WORLD.key: WORLD},
        entries=[Entry(at, WORLD.key, seq, "barrier", "", "", -1) for seq, at in enumerate(entered, 1)],
        decisions=[Decision(at, site, "k", choice, "", deviates, "", "") for at, site, choice, deviates in decisions],
    )


@pytest.mark.parametrize(
    ("mine", "theirs", "parted"),
    [
        (history(0, (2, 6)), history(1, (2,)), None),
        (history(0, (2, 6), (4, "a", "run", False)), history(1, (2,), (4, "a", "skip", True)), "a"),
        (history(0, (2, 6)), history(1, (2,), (4, "a", "skip", True)), "a"),  # the one alone had to decide
        (history(0, (2, 6), (4, "a", "retry", True)), history(1, (2,)), "a"),
        (history(0, (2, 6)), history(1, (2,), (4, "a", "skip", False)), None),  # it went with all others
        (history(0, (2, 6)), history(1, (2,), (1, "a", "skip", True)), None),  # before both met
        (history(0, (2, 6), (1, "a", "x", False)), history(1, (2,), (1, "a", "y", False)), "a"),  # the nearest earlier one
        (
            history(0, (2, 6), (1, "a", "x", False), (4, "b", "run", False), (5, "c", "x", False)),
            history(1, (2,), (1, "a", "y", False), (4, "b", "skip", False), (5, "c", "y", False)),
            "b",  # the first since they met
        ),
    ],
)
def test_the_decision_that_parted_two_ranks(mine: History, theirs: History, parted: str | None) -> None:
    """Between the last that matched and the first that did not; from either side."""
    expected = (parted, "k", 0) if parted else None
    assert split_before(mine, theirs) == expected
    assert split_before(theirs, mine) == expected


def test_who_has_failed_in_what_others_wait_in() -> None:
    """Of a communicator in which somebody waits; a member that nobody has seen has not failed."""
    group = CommInfo("mpi:world", "mpi", "world", (0, 1, 2))
    wait = Wait(group.key, 1, "barrier", Need.ALL, -1, 0, 0, "", "")
    states = {0: RankState(0, waiters={0: wait}), 1: RankState(1, status=Status.DEAD)}
    whole = case(states, {0: History(0), 1: History(1)})
    for history in whole.histories.values():
        history.comms = {group.key: group}
    assert (list(failed(whole)), list(bereft_of(whole))) == ([1], [1])
    states[1].status = Status.RETURNED
    assert (list(failed(whole)), list(bereft_of(whole))) == ([], [])
    states[1].status, states[0].waiters[0] = Status.RAISED, wait._replace(comm="mpi:other")
    assert (list(failed(whole)), list(bereft_of(whole))) == ([1], [])
