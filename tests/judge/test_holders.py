"""Waits for anybody who holds the other end of a thing: a pipe, a queue, a store, a lock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.graph import stuck
from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.ring import Ring, decode
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.trace.wait import Wait


def held(end: str) -> Wait:
    """A wait for anybody who holds an end."""
    return Wait("", 0, "read", Need.HOLDERS, -1, 0, 0, "", "", end=end)


def several(need: Need, *ends: str) -> Wait:
    """A wait for any, or all, of several ends."""
    return Wait("", 0, "several", need, -1, 0, 0, "", "", parts=tuple(map(held, ends)))


def test_an_end_whose_holders_all_wait_is_never_let_go() -> None:
    """Two processes that read from each other are stuck; with a third that holds one of the ends and runs, none is."""
    states = {0: RankState(0, waiters={0: held("a")}), 1: RankState(1, waiters={0: held("b")})}
    assert [(found.rank, found.lacks) for found in stuck(states, {}, holders={"a": {1}, "b": {0}})] == [(0, (1,)), (1, (0,))]
    states[2] = RankState(2, waiters={0: None})
    assert stuck(states, {}, holders={"a": {1, 2}, "b": {0}}) == []
    states[2].status = Status.RAISED
    assert {found.rank for found in stuck(states, {}, holders={"a": {1, 2}, "b": {0}})} == {0, 1}


def test_what_is_not_known_of_holders_is_no_proof() -> None:
    """An end that is not listed, or is held by somebody of whom nothing is known, may be let go at any time."""
    states = {0: RankState(0, waiters={0: held("a")})}
    assert stuck(states, {}) == stuck(states, {}, holders={"b": {0}}) == stuck(states, {}, holders={"a": {0, 7}}) == []
    assert [found.lacks for found in stuck(states, {}, holders={"a": {0}})] == [(0,)]
    assert [found.lacks for found in stuck(states, {}, holders={"a": ()})] == [(0,)]


ENDS = st.sampled_from("abc")
WAITS = st.one_of(
    st.none(),
    ENDS.map(held),
    st.tuples(st.sampled_from([Need.EITHER, Need.EVERY]), st.lists(ENDS, min_size=1, max_size=3)).map(
        lambda both: several(both[0], *both[1])
    ),
)


@given(st.lists(WAITS, min_size=1, max_size=5), st.dictionaries(ENDS, st.sets(st.integers(0, 5)), max_size=3))
def test_who_waits_for_holders_is_stuck_if_nobody_can_free_it(
    waits: list[Wait | None], holders: dict[str, set[int]]
) -> None:
    """As of the rule applied again and again until nothing changes; one that waits for any of several needs one of them."""
    states = {rank: RankState(rank, waiters={0: wait}) for rank, wait in enumerate(waits)}
    free = {rank for rank, wait in enumerate(waits) if wait is None} | set(range(len(waits), 6))

    def ends(wait: Wait) -> bool:
        if wait.parts:
            return (any if wait.need is Need.EITHER else all)(ends(part) for part in wait.parts)
        return wait.end not in holders or bool(holders[wait.end] & free)

    for _ in waits:
        free |= {rank for rank, wait in enumerate(waits) if wait is not None and ends(wait)}
    assert {found.rank for found in stuck(states, {}, holders=holders)} == set(range(len(waits))) - free


def test_a_rank_tells_what_end_it_waits_for() -> None:
    """The recorder's event becomes a wait for that end, and ends with it."""
    ring = Ring(0, 1)
    recorder, state, strings = Recorder.attach({layout.RING_FD: str(ring.fd)}), RankState(0), list[str]()

    def fold() -> RankState:
        delta = ring.read()
        strings.extend(delta.strings)
        state.apply(decode(delta.records), strings.__getitem__)
        return state

    with recorder.held("queue get", "pipe:[17]"):
        (wait,) = (wait for wait in fold().waiters.values())
        assert wait is not None
        assert (wait.op, wait.need, wait.end) == ("queue get", Need.HOLDERS, "pipe:[17]")
    assert fold().busy
    ring.close()
