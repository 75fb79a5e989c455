"""Slow or stuck: a livelock is turning in circles on every rank, be it by operations or by choices."""

from __future__ import annotations

import pytest

from harness.trace.state import RankState, Status
from harness.watch.progress import LIVELOCK_TURNS, Progress


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
    states = {rank: RankState(rank) for rank in range(len(turns))}
    progress = Progress(0.0)
    progress.update(states, 1.0)
    for rank, (exits, decisions) in enumerate(turns):
        states[rank].exits, states[rank].decisions = exits, decisions
    assert not progress.livelock(states, 2.9, 2.0)
    assert progress.livelock(states, 3.0, 2.0) == livelock


def test_a_milestone_starts_the_window_again() -> None:
    """Turns before the last milestone of any rank do not count, nor do ranks that have ended."""
    states = {0: RankState(0, exits=LIVELOCK_TURNS), 1: RankState(1, status=Status.RETURNED)}
    progress = Progress(0.0)
    progress.update(states, 1.0)
    states[0].exits += LIVELOCK_TURNS
    states[0].milestones += 1
    progress.update(states, 2.0)
    assert not progress.livelock(states, 5.0, 2.0)
    states[0].exits += LIVELOCK_TURNS
    assert progress.livelock(states, 5.0, 2.0)
