"""The judge where events were overwritten before they were read: it says less, never something wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lockstep.harness.judge.graph import stuck
from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.ring import Ring, decode
from lockstep.harness.trace.state import RankState

CAPACITY = 64


class Rank:
    """One rank that writes into a small ring, and its state."""

    def __init__(self, rank: int) -> None:
        self.ring = Ring(rank, 2, CAPACITY)
        self.recorder = Recorder.attach({layout.RING_FD: str(self.ring.fd)})
        self.state = RankState(rank)
        self.strings: list[str] = []

    def read(self) -> None:
        """Fold as the watchdog does."""
        delta = self.ring.read()
        self.strings += delta.strings
        if delta.lost:
            self.state.overrun(delta.lost, self.ring.entered)
        self.state.apply(decode(delta.records), self.strings.__getitem__)

    def flood(self) -> None:
        """Write more than the ring holds."""
        for _ in range(2 * CAPACITY):
            self.recorder.milestone("step")


def knot(ranks: list[Rank]) -> set[int]:
    """Who is stuck."""
    for rank in ranks:
        rank.read()
    members = {info.key: info.members for rank in ranks for info in rank.state.comms.values()}
    states = {rank.state.rank: rank.state for rank in ranks}
    found = {stuck.rank for stuck in stuck(states, members)}
    for rank in ranks:
        rank.ring.close()
    return found


def test_nobody_lacks_a_rank_whose_announcement_was_lost() -> None:
    """A rank may have entered a communicator whose announcement was overwritten: who waits there is not called stuck."""
    ranks = [Rank(0), Rank(1)]
    worlds = [rank.recorder.comm("mpi", "world", (0, 1)) for rank in ranks]
    for rank in ranks:
        rank.read()
    pairs = [rank.recorder.comm("mpi", "pair", (0, 1)) for rank in ranks]
    with ranks[0].recorder.collective(pairs[0], "barrier"):
        pass
    ranks[0].flood()
    ranks[0].recorder.collective(worlds[0], "barrier")
    # Rank 1 is still inside a barrier that both have entered; it comes to the world afterwards.
    ranks[1].recorder.collective(pairs[1], "barrier")
    assert knot(ranks) == set()


@pytest.mark.parametrize("lossy", [0, 1])
def test_collectives_are_judged_after_a_loss(lossy: int) -> None:
    """The table of collectives outlives a loss: ranks that block crosswise are still found."""
    ranks = [Rank(0), Rank(1)]
    comms = [[rank.recorder.comm("mpi", name, (0, 1)) for name in ("world", "pair")] for rank in ranks]
    for rank in ranks:
        rank.read()
    ranks[lossy].flood()
    for which, rank in enumerate(ranks):
        rank.recorder.collective(comms[which][which], "barrier")
    assert knot(ranks) == {0, 1}


def receive(rank: Rank, name: str) -> None:
    """Receive from the other rank."""
    rank.recorder.recv(rank.recorder.comm("mpi", name, (0, 1)), 1 - rank.state.rank, 0)


def send(rank: Rank, name: str) -> None:
    """Send to the other rank, and wait until it receives."""
    rank.recorder.send(rank.recorder.comm("mpi", name, (0, 1)), 1 - rank.state.rank, 0, synchronous=True)


@pytest.mark.parametrize("operation", [receive, send])
def test_messages_are_not_counted_after_a_loss(operation: Callable[[Rank, str], None]) -> None:
    """A message of a rank whose events were lost may have been among them: who waits for it is not called stuck."""
    ranks = [Rank(0), Rank(1)]
    for rank in ranks:
        rank.read()
    ranks[1].flood()
    for rank in ranks:
        operation(rank, "world")
    assert knot(ranks) == set()
