"""Device streams in the wait-for graph, against a simulation of ranks that launch, replay, synchronize and meet.

The simulation writes events with the real recorder and breadcrumbs as a device would; the judge sees them through real
rings. It is told nothing of what the ranks will do next.
"""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.graph import stuck
from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.breadcrumb import enter, leave
from lockstep.harness.trace.handles import Comm, Wait
from lockstep.harness.trace.ring import Ring, decode
from lockstep.harness.trace.state import STREAM_WAITER, RankState

# What a host does: meet all at the host, hand one collective of a lane to the stream, replay a graph of two, synchronize,
# and at the end raise or return, and stay.
OPERATIONS = ("meet", "launch a", "launch b", "replay", "sync")
GRAPH = ("a", "b")


@dataclass
class SimulatedRank:
    """One rank: its program, its ring, and a stream that takes collectives in order."""

    rank: int
    world: int
    program: list[str]
    at: int = 0
    waiting: Wait | None = None
    ended: bool = False
    queue: deque[str] = field(default_factory=deque)
    inside: bool = False  # the stream is in the first of the queue
    met: int = 0
    entered: dict[str, int] = field(default_factory=lambda: {"a": 0, "b": 0})

    def __post_init__(self) -> None:
        self.ring = Ring(self.rank, self.world, 1024)
        self.recorder = Recorder.attach({layout.RING_FD: str(self.ring.fd)})
        members = range(self.world)
        self.host = self.recorder.comm("mpi", "world", members)
        self.lanes: dict[str, Comm] = {n: self.recorder.comm("symm_mem", n, members, device="compute") for n in "ab"}
        self.graph = self.recorder.manifest("graph", [(self.lanes[name], f"op {name}", -1) for name in GRAPH])
        self.state = RankState(self.rank)
        self.strings: list[str] = []
        self.look()

    def look(self) -> RankState:
        """What a supervisor reads now, folded."""
        words = self.ring.breadcrumbs()
        delta = self.ring.read()
        self.strings += delta.strings
        self.state.apply(decode(delta.records), self.strings.__getitem__)
        self.state.see(words, 0, self.strings.__getitem__)
        return self.state

    def _mark(self, value: int) -> None:
        at = layout.BREADCRUMB_TABLE + 8 * self.lanes[self.queue[0]].id
        word = layout.U64.unpack_from(self.ring.memory, at)[0]
        layout.U64.pack_into(self.ring.memory, at, word + value)

    def step_host(self, peers: list[SimulatedRank]) -> bool:
        """Go on by one operation or end the wait; False when the host cannot."""
        if self.ended or (self.waiting is None and self.at == len(self.program)):
            return False
        if self.waiting is None:
            self._begin(self.program[self.at])
            self.at += 1
            return True
        done = not self.queue if self.waiting.comm.members == () else all(peer.met >= self.met for peer in peers)
        if done:
            self.waiting.__exit__(None, None, None)
            self.waiting = None
        return done

    def _begin(self, operation: str) -> None:
        if operation == "meet":
            self.waiting = self.recorder.collective(self.host, "barrier")
            self.met += 1
        elif operation == "sync":
            self.waiting = self.recorder.synchronize()
        elif operation in ("raise", "return"):
            self.recorder.raised(RuntimeError("x")) if operation == "raise" else self.recorder.returned()
            self.ended = True
        elif operation == "replay":
            self.recorder.replay(self.graph)
            self.queue += GRAPH
        else:
            name = operation[-1]
            self.recorder.launch(self.lanes[name], f"op {name}")
            self.queue.append(name)

    def step_stream(self, peers: list[SimulatedRank]) -> bool:
        """Enter the next collective or leave it; False when the stream cannot."""
        if not self.queue:
            return False
        name = self.queue[0]
        site = self.recorder.string(f"op {name}")
        if not self.inside:
            self._mark(enter(site))
            self.entered[name] += 1
            self.inside = True
            return True
        if all(peer.entered[name] >= self.entered[name] for peer in peers):
            self._mark(leave(site))
            self.queue.popleft()
            self.inside = False
            return True
        return False

    @property
    def blocked(self) -> set[int]:
        """The waiters that wait now, by the judge's numbers."""
        found = {0} if self.waiting is not None and not self.ended else set()
        return found | ({STREAM_WAITER + "ab".index(self.queue[0])} if self.inside else set())


def judged(ranks: list[SimulatedRank]) -> set[tuple[int, int]]:
    """The stuck waiters, as (rank, waiter)."""
    states = {rank.rank: rank.look() for rank in ranks}
    members = {info.key: info.members for state in states.values() for info in state.comms.values()}
    return {(found.rank, found.thread) for found in stuck(states, members)}


@given(
    st.lists(st.lists(st.sampled_from(OPERATIONS), max_size=7), min_size=2, max_size=4),
    st.integers(0, 1 << 30),
    st.lists(st.booleans(), min_size=4, max_size=4),
)
def test_stuck_waiters_are_those_that_never_go_on(programs: list[list[str]], seed: int, raises: list[bool]) -> None:
    """Whatever is called stuck at any moment never moves again; and at the end whoever still waits is called stuck."""
    chance = random.Random(seed)
    ranks = [
        SimulatedRank(number, len(programs), [*program, "raise" if raises[number] else "return"])
        for number, program in enumerate(programs)
    ]
    proved: set[tuple[int, int]] = set()
    moving = True
    while moving:
        steps = [step for rank in ranks for step in (rank.step_host, rank.step_stream)]
        chance.shuffle(steps)
        moving = False
        for step in steps:
            before = [(rank.blocked, rank.at, len(rank.queue)) for rank in ranks]
            if step(ranks):
                moving = True
                for rank, (blocked, _, _) in zip(ranks, before, strict=True):
                    ended = {(rank.rank, waiter) for waiter in blocked - rank.blocked} & proved
                    # A host that raises is no waiter any more; nothing else may end what was proved.
                    assert not ended
                if chance.random() < 0.3:
                    proved |= judged(ranks)
                break
    waiting = {(rank.rank, waiter) for rank in ranks for waiter in rank.blocked}
    assert judged(ranks) == waiting
    for rank in ranks:
        rank.ring.close() if False else None


def launched(*programs: list[str]) -> list[SimulatedRank]:
    """Ranks that have gone as far as they can."""
    ranks = [SimulatedRank(number, len(programs), program) for number, program in enumerate(programs)]
    while any(step(ranks) for rank in ranks for step in (rank.step_host, rank.step_stream)):
        pass
    return ranks


def test_host_waits_for_its_stream_and_that_for_a_peer() -> None:
    """A rank that hangs in a replay is stuck with host and stream, and the wait names graph, operation and lacked rank."""
    ranks = launched(["replay", "sync"], ["meet"])
    assert judged(ranks) == {(0, 0), (0, STREAM_WAITER), (1, 0)}
    wait = dict(ranks[0].state.waits())[STREAM_WAITER]
    assert (wait.op, wait.graph, wait.seq) == ("op a", "graph", 1)


def test_launches_behind_a_blocked_collective_do_not_run() -> None:
    """What was handed to a stream behind the collective that it is in keeps nobody from being stuck."""
    ranks = launched(["launch a", "launch b", "sync"], ["launch b", "launch a", "sync"])
    assert len(judged(ranks)) == 4


def waiting_for_one_that_raised() -> tuple[SimulatedRank, SimulatedRank]:
    """Both have launched; the stream of the first is in the collective, the second raised before its own was."""
    one, two = SimulatedRank(0, 2, ["launch a", "sync"]), SimulatedRank(1, 2, ["launch a", "raise"])
    for _ in range(2):
        one.step_host([one, two])
        two.step_host([one, two])
    one.step_stream([one, two])
    return one, two


def test_stream_of_a_rank_that_raised_still_runs() -> None:
    """Nobody is stuck who waits for a collective that a rank launched before it raised, until its stream has passed it."""
    one, two = waiting_for_one_that_raised()
    assert judged([one, two]) == set()
    two.step_stream([one, two])
    assert judged([one, two]) == set()


@pytest.mark.parametrize("lost", [True, False])
def test_lost_device_runs_nothing(lost: bool) -> None:
    """What was handed to a device whose context is dead never comes; to one that lives it may."""
    one, two = SimulatedRank(0, 2, ["launch a", "sync"]), SimulatedRank(1, 2, ["launch a"])
    for _ in range(2):
        one.step_host([one, two])
    one.step_stream([one, two])
    two.step_host([one, two])
    two.recorder.raised(RuntimeError("CUDA error"), device_lost=lost)
    assert bool(judged([one, two])) is lost


def test_streams_end_with_their_process() -> None:
    """What a rank handed to its device before it raised never comes once its process is gone."""
    one, two = waiting_for_one_that_raised()
    assert judged([one, two]) == set()
    two.look().gone = True
    assert judged([one, two]) == {(0, 0), (0, STREAM_WAITER)}
