"""The judge against every interleaving of small MPI programs, with all that can be open in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.judge.graph import stuck
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.order import MOST_RECEIVES, MOST_RUNS, Order
from lockstep.harness.trace.state import RankState
from lockstep.harness.trace.wait import Wait
from tests.judge.agreement import agreement

FEW, MANY = 600, 6000
MISSES = 0.005  # of the deadlocks that events can tell: so few may go unproved, since not all that is known is used


def test_judge_and_interleavings_agree_on_a_few() -> None:
    """The first programs, for a quick look."""
    found = agreement(range(FEW))
    assert found.wrong == []
    assert found.proved >= 1 - MISSES, found.missed
    assert found.counts["deadlocks proved"] > FEW / 2


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_judge_and_interleavings_agree() -> None:
    """What is proved never moves in any interleaving, and nearly all that never moves is proved."""
    found = agreement(range(FEW, MANY))
    assert found.wrong == []
    assert found.proved >= 1 - MISSES, found.missed


@settings(max_examples=100, deadline=None)
@given(st.integers(10**6, 10**9))
def test_nothing_is_proved_that_may_move(seed: int) -> None:
    """The same for programs that hypothesis chooses."""
    assert agreement([seed]).wrong == []


def any_is_all(wait: Wait) -> Wait:
    """Wrong: who waits for any of several is thought to wait for all."""
    return wait._replace(need=Need.EVERY) if wait.need is Need.EITHER else wait


def any_source_is_one(wait: Wait) -> Wait:
    """Wrong: a receive from anybody is thought to be one from rank 0."""
    return wait._replace(peer=0) if wait.need is Need.RECV and wait.peer < 0 else wait


def probe_is_receive(wait: Wait) -> Wait:
    """Wrong: a probe is thought to be one more receive of a tag."""
    return wait._replace(need=Need.RECV, tag=7) if wait.need is Need.PROBE else wait


@pytest.mark.parametrize("spoil", [any_is_all, any_source_is_one, probe_is_receive])
def test_a_wrong_judge_is_found(spoil: Callable[[Wait], Wait]) -> None:
    """The comparison can fail: a judge with a wrong rule proves what moves."""

    def judge(states: Mapping[int, RankState], comms: Mapping[str, tuple[int, ...]]) -> set[int]:
        spoiled = {
            rank: replace(state, waiters={thread: wait and spoil(wait) for thread, wait in state.waiters.items()})
            for rank, state in states.items()
        }
        return {found.rank for found in stuck(spoiled, comms)}

    assert agreement(range(FEW), judge).wrong


# --- what is kept of the order of messages --------------------------------------------------------------------------


def test_what_has_ended_is_forgotten() -> None:
    """Of a program that waits for each receive nothing is kept but a count, however long it runs."""
    order = Order()
    for number in range(1, 5 * MOST_RECEIVES):
        order.receive("c", 1, 0, number, thread=0)
        order.took("c", (1, 0, number), (1, 0))
    assert (order.receives["c"], order.gone) == ([], {("c", 1, 0): 5 * MOST_RECEIVES - 1})


def test_what_an_earlier_receive_could_have_taken_is_kept() -> None:
    """A receive that has ended counts as long as one before it, which would have taken its message, has not."""
    order = Order()
    order.receive("c", -1, 0, 1, thread=0)
    order.receive("c", 2, 0, 1, thread=0)
    order.receive("c", 2, 1, 1, thread=0)
    order.took("c", (2, 0, 1), (2, 0))
    order.took("c", (2, 1, 1), (2, 1))
    assert [(one.peer, one.took) for one in order.receives["c"]] == [(-1, None), (2, (2, 0))]
    order.took("c", (-1, 0, 1), (3, 0))
    assert order.receives["c"] == []


def test_an_order_that_is_not_known_says_so() -> None:
    """Two threads, or more receives than are kept; of sends the last runs of tags are kept, and counts of those before."""
    order = Order()
    order.receive("c", 1, 0, 1, thread=0)
    order.receive("c", 1, 0, 2, thread=3)
    assert not order.known("c", "recv")
    assert order.known("c", "send")
    for number in range(MOST_RECEIVES + 1):
        order.receive("d", number, 0, 1, thread=0)
    assert not order.known("d", "recv")
    for number in range(MOST_RUNS + 4):
        order.send("c", 1, number % 2, thread=0)
    assert order.sends["c", 1].before == {0: 2, 1: 2}
    assert sum(count for _, count in order.sends["c", 1].runs) == MOST_RUNS


def test_a_loss_of_events_leaves_no_order() -> None:
    """What was counted may be told again by a table; in which order it was begun may not, and nothing is proved by it."""
    mine, theirs = RankState(0), RankState(1)
    for state in (mine, theirs):
        state.overrun(1, lambda comm: 0)
        state.blind = False  # its counts are known again
    mine.received["c", -1, 0] = theirs.sent["c", 0, 0] = 1
    mine.waiters[0] = Wait("c", 1, "recv", Need.RECV, -1, 0, 0, "", "")
    theirs.waiters[0] = Wait("c", 1, "recv", Need.RECV, 0, 0, 0, "", "")
    theirs.received["c", 0, 0] = 1
    assert stuck({0: mine, 1: theirs}, {"c": (0, 1)}) == []
    mine.order.lost = False
    mine.order.receive("c", -1, 0, 1, 0)
    assert stuck({0: mine, 1: theirs}, {"c": (0, 1)}) == []
