"""Slow or stuck: a livelock is turning in circles on every rank, be it by operations or by choices."""

from __future__ import annotations

import pytest

from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.watchdog.progress import LIVELOCK_TURNS, Progress

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("turns", "livelock"),
    [
        ([(LIVELOCK_TURNS, 0), (0, LIVELOCK_TURNS)], True),
        ([(LIVELOCK_TURNS, 0), (LIVELOCK_TURNS - 1, 0)], False),
        ([(LIVELOCK_TURNS, 0), (0, 0)], False),
    ],
)
def test_every_live_rank_has_to_turn(turns: list[tuple[int, int]], livelock: bool) -> None:
    """Operations that end and choices that are made count alike; a rank with neither is busy or waits."""
    states = {rank: RankState(rank, last_ns=SECOND) for rank in range(len(turns))}
    progress = Progress(0.0)
    progress.update(states, 1.0)
    for rank, (exits, decisions) in enumerate(turns):
        states[rank].exits, states[rank].decisions = exits, decisions
        states[rank].last_ns = 3 * SECOND
    assert not progress.livelock(states, 2.1)
    assert progress.livelock(states, 2.0) == livelock


def test_a_milestone_starts_the_window_again() -> None:
    """Turns before the last milestone of any rank do not count, nor do ranks that have ended."""
    states = {0: RankState(0, exits=LIVELOCK_TURNS, last_ns=SECOND), 1: RankState(1, status=Status.RETURNED)}
    progress = Progress(0.0)
    progress.update(states, 1.0)
    states[0].exits += LIVELOCK_TURNS
    states[0].milestones += 1
    states[0].last_ns = 2 * SECOND
    progress.update(states, 2.0)
    states[0].last_ns = 5 * SECOND
    assert not progress.livelock(states, 2.0)
    states[0].exits += LIVELOCK_TURNS
    assert progress.livelock(states, 2.0)


def test_the_window_is_of_the_rank_and_not_of_who_reads_it() -> None:
    """Events that come late are of the time at which they were written; a rank's first event begins its window."""
    states = {0: RankState(0)}
    progress = Progress(0.0)
    progress.update(states, 1.0)
    states[0].last_ns = 100 * SECOND  # nothing was heard of it before
    progress.update(states, 60.0)
    states[0].exits, states[0].last_ns = LIVELOCK_TURNS, 101 * SECOND
    progress.update(states, 120.0)
    assert not progress.livelock(states, 2.0)
    states[0].last_ns = 102 * SECOND
    assert progress.livelock(states, 2.0)
