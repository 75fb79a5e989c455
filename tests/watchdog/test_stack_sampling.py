"""Whose stacks are taken: all of few, some of each kind of many. Pure."""

from __future__ import annotations

from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState, Wait
from lockstep.harness.watchdog.stack_sampling import MOST, left_out_text, sample


def states(size: int) -> dict[int, RankState]:
    """Ranks that wait in the world, but a tenth, which wait in their pairs, and the last, which runs."""
    found: dict[int, RankState] = {}
    for rank in range(size):
        comm = f"mpi:pair#1@{rank // 2}" if rank % 10 < 1 else "mpi:world#1@0"
        found[rank] = RankState(rank, waiters={0: Wait(comm, 1, "barrier", Need.ALL, -1, 0, 0, "", "")})
    found[size - 1].waiters = {0: None}
    return found


def test_of_few_all_are_taken() -> None:
    """Up to the limit nobody is left out, and nothing is said."""
    assert sample(states(MOST), range(MOST), [3]) == list(range(MOST))
    assert left_out_text(range(MOST), range(MOST)) == ""


def test_of_many_some_of_each_place_are_taken() -> None:
    """The blamed ranks are among them, and ranks of every place; who was left out is told."""
    found = states(1000)
    chosen = sample(found, found, [777])
    assert len(chosen) == MOST
    assert 777 in chosen
    assert 999 in chosen
    assert sum(rank % 10 == 0 for rank in chosen) > 20
    assert "not taken of rank" in left_out_text(found, chosen)


def test_who_has_ended_is_not_asked() -> None:
    """A blamed rank whose process is gone has no stack."""
    found = states(200)
    assert 7 not in sample(found, [rank for rank in found if rank != 7], [7])
