"""The judge on one core: 256 to 16,384 ranks, eight communicators each; knots, and chains that come free rank by rank."""

from __future__ import annotations

import time

from lockstep.harness.judge.graph import stuck
from lockstep.harness.trace import Need
from lockstep.harness.trace.state import RankState, Wait

SIZES = (256, 1024, 4096, 16_384)
BLOCKS = {"pp": 2, "tp": 8, "node": 16, "cp": 32, "ep": 64}  # groups of neighbours; with these: world, control, dp
DP_STRIDE = 8
KINDS = ("world", "control", *BLOCKS, "dp")
REPEATS = 3
Snapshot = tuple[dict[int, RankState], dict[str, tuple[int, ...]]]


def one_rank_apart(size: int) -> Snapshot:
    """All wait in their tp but rank 3, which waits in the world: what an unguarded capture comes to. Eight are stuck."""
    states, members = _ranks(size)
    for rank, state in states.items():
        _block(state, "world" if rank == 3 else _comm("tp", rank))
    return states, members


def all_in_world(size: int) -> Snapshot:
    """All wait in the world but rank 3, which waits in its tp. All are stuck."""
    states, members = _ranks(size)
    for rank, state in states.items():
        _block(state, _comm("tp", rank) if rank == 3 else "world")
    return states, members


def every_communicator(size: int) -> Snapshot:
    """The ranks wait in all eight communicators, in each of them some are missing. All are stuck."""
    states, members = _ranks(size)
    for rank, state in states.items():
        _block(state, _comm(KINDS[(rank + rank // 8) % len(KINDS)], rank))
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


def chain_in_world(size: int) -> Snapshot:
    """Rank r waits in collective size - r of the world for all behind it; the last runs: freed one by one, none is stuck."""
    states, members = _ranks(size)
    for rank, state in states.items():
        state.entered["world"] = 100 + size - rank
        if rank < size - 1:
            state.waiters[0] = Wait("world", 100 + size - rank, "allgather", Need.ALL, -1, 0, 0, "", "")
    return states, members


CASES = {one_rank_apart: "eight", all_in_world: "all", every_communicator: "all", chain: "none", chain_in_world: "none"}


def _comm(kind: str, rank: int) -> str:
    """The communicator of a kind that a rank belongs to."""
    if kind in BLOCKS:
        return f"{kind}-{rank // BLOCKS[kind]}"
    return f"dp-{rank % DP_STRIDE}" if kind == "dp" else kind


def _ranks(size: int) -> Snapshot:
    """All ranks running, after a hundred collectives on each communicator."""
    groups: dict[str, list[int]] = {}
    states: dict[int, RankState] = {}
    for rank in range(size):
        states[rank] = RankState(rank, waiters={0: None})
        for kind in KINDS:
            comm = _comm(kind, rank)
            groups.setdefault(comm, []).append(rank)
            states[rank].entered[comm] = 100
    return states, {comm: tuple(group) for comm, group in groups.items()}


def _block(state: RankState, comm: str) -> None:
    number = state.entered[comm] = state.entered[comm] + 1
    state.waiters[0] = Wait(comm, number, "allgather", Need.ALL, -1, 0, 0, "", "")


def seconds(snapshot: Snapshot, expected: str) -> float:
    """CPU seconds of one judgement, the best of a few. Raises RuntimeError when it is wrong."""
    best = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        knot = stuck(*snapshot)
        best = min(best, time.process_time() - start)
        if len(knot) != {"eight": 8, "all": len(snapshot[0]), "none": 0}[expected]:
            raise RuntimeError(f"{expected} of {len(snapshot[0])} should be stuck, not {len(knot)}")
    return best


def measure() -> dict[str, float]:
    """Seconds for each case and size, and the growth from the smallest size to the largest, 64 times as many ranks."""
    found: dict[str, float] = {}
    for build, expected in CASES.items():
        name = build.__name__.replace("_", " ")
        times = [seconds(build(size), expected) for size in SIZES]
        found |= {f"{name}, {size} ranks s": taken for size, taken in zip(SIZES, times, strict=True)}
        found[f"{name}, growth for {SIZES[-1] // SIZES[0]} times the ranks"] = times[-1] / times[0]
    return found


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name}: {value:.4f}")
