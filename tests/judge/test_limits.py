"""Deadlocks that a library ends later, by a limit of its own. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.graph import stuck
from lockstep.harness.judge.limits import SOON_S, endless, limit_s, until_limit
from lockstep.harness.supervisor.ring_reader import RingReader
from lockstep.harness.trace import Recorder
from lockstep.harness.trace.event import Kind, Need
from lockstep.harness.trace.ring import Ring, decode
from lockstep.harness.trace.state import RankState, Wait

MEMBERS = {"world": (0, 1, 2)}
# Operation, what it needs without a limit, on whose behalf.
OPERATIONS = (("barrier", Need.ALL, -1), ("reduce", Need.ALL, 1), ("broadcast", Need.ROOT, 1), ("recv", Need.RECV, 1))


def state(rank: int, wait: Wait | None, entered: int) -> RankState:
    """A rank with one thread."""
    return RankState(rank, number=1, waiters={0: wait}, entered={"world": entered})


@st.composite
def cases(draw: st.DrawFn) -> dict[int, RankState]:
    """Ranks that wait, without limits, or run."""
    found: dict[int, RankState] = {}
    for rank in range(3):
        seq = draw(st.integers(1, 3))
        op, need, peer = draw(st.sampled_from(OPERATIONS))
        if need is not Need.ALL:
            peer = draw(st.sampled_from([other for other in range(3) if other != rank]))
        wait = Wait("world", seq, op, need, rank if op == "reduce" else peer, 0, 0, "", "")
        runs = draw(st.integers(0, 9)) == 0
        found[rank] = state(rank, None if runs else wait, seq - 1 if runs or op == "recv" else seq)
    return found


def limited(states: dict[int, RankState], limits: list[int]) -> dict[int, RankState]:
    """The same on a group with limits."""
    found = {}
    for rank, one in states.items():
        wait = one.waiters[0]
        timed = wait._replace(need=Need.TIMED, limit_s=limits[rank]) if wait is not None and limits[rank] >= 0 else wait
        found[rank] = replace(one, waiters={0: timed})
    return found


@given(cases(), st.lists(st.sampled_from([-1, SOON_S + 1, 300]), min_size=3, max_size=3))
def test_it_is_the_knot_that_there_would_be_without_limits(states: dict[int, RankState], limits: list[int]) -> None:
    """Where all are in it, and at least one of them has a limit; nothing of it counts as proved."""
    given_limits = limited(states, limits)
    knot = stuck(states, MEMBERS)
    timed = any(
        wait is not None and wait.need is Need.TIMED for one in given_limits.values() for wait in one.waiters.values()
    )
    expected = [(one.rank, one.lacks) for one in knot] if len(knot) == 3 and timed else []
    assert [(one.rank, one.lacks) for one in until_limit(given_limits, MEMBERS)] == expected
    if all(limit > 0 for limit in limits):
        assert stuck(given_limits, MEMBERS) == []


@pytest.mark.parametrize("soon", [0, 1, SOON_S])
def test_a_limit_that_is_soon_or_not_known_is_left_to_its_library(soon: int) -> None:
    """A program may have meant it, and go on after the error."""
    waits = [Wait("world", seq, "barrier", Need.ALL, -1, 0, 0, "", "") for seq in (1, 2, 3)]
    states = {rank: state(rank, wait, 0) for rank, wait in enumerate(waits)}
    assert len(until_limit(limited(states, [300, 300, 300]), MEMBERS)) == 3
    assert until_limit(limited(states, [300, soon, 300]), MEMBERS) == []


def test_a_wait_without_a_limit_stays_what_it_is() -> None:
    """Whatever it needs."""
    for need in Need:
        wait = Wait("world", 1, "barrier", need, 1, 0, 0, "", "", limit_s=300)
        assert endless(0, wait).need is (Need.ROOT if need is Need.TIMED else need)


def test_a_limit_is_that_of_the_wait_which_begins_next() -> None:
    """Of its thread; what is posted in between has none, nor has the wait after it."""
    ring = Ring(-1, 0)
    reader, recorder = RingReader(ring), Recorder.on(ring.fd)
    comm = recorder.comm("gloo", "world", (0,))
    now = RankState(0)

    def told() -> list[int]:
        delta = reader.delta()
        assert delta is not None
        now.apply(decode(delta.records), lambda ident: strings(ident, delta.strings))
        return [wait.limit_s for _, wait in now.waits()]

    known: list[str] = []

    def strings(ident: int, fresh: tuple[str, ...]) -> str:
        known.extend(fresh if fresh and fresh[0] not in known else ())
        return known[ident]

    recorder.write(Kind.LIMIT, 0, 0, size=300)
    recorder.post(comm, "barrier", need=Need.TIMED)
    with recorder.collective(comm, "barrier", need=Need.TIMED):
        assert told() == [300]
    with recorder.collective(comm, "barrier", need=Need.TIMED):
        assert told() == [0]
    recorder.write(Kind.LIMIT, 0, 0, size=-5)
    with recorder.collective(comm, "barrier", need=Need.TIMED):
        assert told() == [0]


def test_the_first_limit_counts() -> None:
    """Of several waits; where none is known there is none to tell."""
    wait = Wait("world", 1, "barrier", Need.TIMED, -1, 0, 0, "", "")
    assert limit_s([wait._replace(limit_s=90), wait, wait._replace(limit_s=70)]) == 70
    assert limit_s([wait]) == limit_s([]) == 0
