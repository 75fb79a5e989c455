"""Kinds of ranks: comparing each two kinds once says the same as comparing each two ranks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lockstep.harness.judge.alike import Alike
from lockstep.harness.judge.divergence import Split, parting, split, split_before
from lockstep.harness.judge.graph import Stuck, stuck
from lockstep.harness.judge.history import History
from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.ring import Ring
from lockstep.harness.watchdog.ranks.engine_ranks import EngineRanks
from lockstep.harness.watchdog.ranks.process_table import ENGINE
from tests.watchdog.simulated_start import simulate
from tests.watchdog.simulated_supervisors import SimulatedRank

STARTS = [
    (24, {3: 24}, 8),
    (32, {3: 24, 20: 24}, 16),
    (32, {3: 24, 20: 12}, 32),
    (40, dict.fromkeys(range(0, 40, 7), 24), 8),
    (16, {5: 2}, 16),
]


def histories(size: int, blocks: dict[int, int], ep: int) -> tuple[dict[int, History], list[Stuck]]:
    """The histories of a simulated start-up, and its knot."""
    start = simulate(size, blocks, ep=ep)
    ranks = EngineRanks(size)
    for rank in range(size):
        ranks.joined(rank, "host", 1)
        ranks.take((rank, ENGINE), SimulatedRank(rank, size, ep, start.scripts[rank]).all_at_once(), 0.0)
    knot = stuck(ranks.states(), ranks.comms.members)
    assert {wait.rank for wait in knot} == start.blocked
    return {rank: History.read(rank, record.records, record.strings) for rank, record in ranks}, knot


def every_pair(found: dict[int, History], pairs: Iterator[tuple[int, int]]) -> Split | None:
    """The oracle: every pair of ranks, one after the other."""
    names: dict[tuple[str, str, int], int] = {}
    for pair in dict.fromkeys((min(one, two), max(one, two)) for one, two in pairs if one != two):
        name = split_before(found[pair[0]], found[pair[1]])
        if name is not None and name not in names:
            made = [found[rank].named_decisions for rank in pair]
            names[name] = min(decisions[name].at for decisions in made if name in decisions)
    return split(found, min(names, key=lambda name: (names[name], name))) if names else None


@pytest.mark.parametrize(("size", "blocks", "ep"), STARTS)
def test_kinds_say_what_pairs_say(size: int, blocks: dict[int, int], ep: int) -> None:
    """Over the waits of a knot, and over all ranks with all, the same decision parts them."""
    found, knot = histories(size, blocks, ep)
    waits = [(wait.rank, wait.lacks) for wait in knot]
    assert parting(found, waits) == every_pair(found, ((rank, peer) for rank, lacks in waits for peer in lacks))
    everybody = list(found)
    all_pairs = ((one, two) for one in everybody for two in everybody if one < two)
    assert parting(found, ((rank, everybody) for rank in everybody)) == every_pair(found, all_pairs)


def test_few_pairs_are_compared() -> None:
    """Where one rank of many is another, two handfuls of comparisons say all."""
    found, knot = histories(128, {67: 24}, 128)
    assert len(list(Alike(found).pairs((wait.rank, wait.lacks) for wait in knot))) < 20


def test_messages_tell_ranks_apart() -> None:
    """Ranks that did the same, but sent it to other peers, are compared with those peers."""
    found: dict[int, History] = {}
    for rank in range(4):
        ring = Ring(rank, 4, 64)
        recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
        world = recorder.comm("mpi", "world", range(4))
        choice = "left-out" if rank == 3 else "run"
        recorder.decision("handover", "step=1", choice, deviates=rank == 3)
        if rank % 2 == 0:
            recorder.post_send(world, rank + 1, 0)
        elif rank == 1:
            with recorder.recv(world, rank - 1, 0):
                pass
        delta = ring.read()
        found[rank] = History.read(rank, delta.records, delta.strings)
        ring.close()
    waits = [(0, (1,)), (2, (3,))]
    assert list(Alike(found).pairs(waits)) == [(0, 1), (2, 3)]
    parted = parting(found, waits)
    assert parted is not None
    assert parted.deviating == (3,)
