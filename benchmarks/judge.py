"""The judge on one core: ranks from 256 to 16,384, eight communicators each, a deadlock and a chain that comes free."""

from __future__ import annotations

import time

from harness.judge.graph import stuck
from harness.trace import Need
from harness.trace.state import RankState, Wait

SIZES = (256, 1024, 4096, 16_384)
GROUPS = (2, 4, 8, 16, 32, 64, 128)  # with the world, eight communicators a rank
Snapshot = tuple[dict[int, RankState], dict[str, tuple[int, ...]]]


def deadlock(size: int) -> Snapshot:
    """All wait in their group of eight but rank 3, which waits in the world: what an unguarded capture comes to."""
    states, members = _ranks(size)
    for rank, state in states.items():
        comm = "world" if rank == 3 else f"g8-{rank // 8}"
        _block(state, comm)
    return states, members


def world_deadlock(size: int) -> Snapshot:
    """All wait in the world but rank 3, which waits in its group of eight."""
    states, members = _ranks(size)
    for rank, state in states.items():
        _block(state, "g8-0" if rank == 3 else "world")
    return states, members


def chain(size: int) -> Snapshot:
    """Rank 0 runs; every other waits in a pair for the one before it: freed one after the other, nobody is stuck."""
    states, members = _ranks(size)
    for rank in range(size - 1):
        members[f"link-{rank}"] = (rank, rank + 1)
        states[rank].entered[f"link-{rank}"] = 0
        states[rank + 1].entered[f"link-{rank}"] = 0
    for rank in range(1, size):
        _block(states[rank], f"link-{rank - 1}")
    return states, members


def _ranks(size: int) -> Snapshot:
    states = {rank: RankState(rank, waiters={0: None}) for rank in range(size)}
    members = {"world": tuple(range(size))}
    for group in GROUPS:
        for first in range(0, size, group):
            members[f"g{group}-{first // group}"] = tuple(range(first, first + group))
    for comm, ranks in members.items():
        for rank in ranks:
            states[rank].entered[comm] = 100
    return states, members


def _block(state: RankState, comm: str) -> None:
    number = state.entered[comm] = state.entered[comm] + 1
    state.waiters[0] = Wait(comm, number, "allgather", Need.ALL, -1, 0, 0, "", "")


def measure() -> dict[str, float]:
    """Seconds for each size (best of three), and the growth from the smallest size to the largest, 64 times as many."""
    found: dict[str, float] = {}
    for build, expected in ((deadlock, 1.0), (world_deadlock, 1.0), (chain, 0.0)):
        for size in SIZES:
            snapshot = build(size)
            times = []
            for _ in range(3):
                start = time.perf_counter()
                knot = stuck(*snapshot)
                times.append(time.perf_counter() - start)
            if bool(knot) != bool(expected):
                raise RuntimeError(f"{build.__name__} of {size}: {len(knot)} stuck")
            found[f"{build.__name__}, {size} ranks s"] = min(times)
        growth = found[f"{build.__name__}, {SIZES[-1]} ranks s"] / found[f"{build.__name__}, {SIZES[0]} ranks s"]
        found[f"{build.__name__}, growth for 64 times the ranks"] = growth
    return found


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name}: {value:.4f}")
