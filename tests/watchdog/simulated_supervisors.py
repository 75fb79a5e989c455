"""Simulated supervisors: many in one process, each with a real socket, a real ring and a real recorder, and no engine.

They speak the real protocol to a real watchdog. What their ranks write, and when, comes from `simulated_start`; what they
answer is read from their rings, as a supervisor does. A watchdog starts this module in the place of an MPI launcher, with
RANKS PROCESSES STEP_S LACKING EP: LACKING is a rank without enough KV blocks, or -1; EP the ranks of a group of expert
parallelism.

Over the size we keep: ranks, supervisors and their launcher are one process, and speak one protocol.
"""

from __future__ import annotations

import heapq
import mmap
import os
import select
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zmq

from lockstep.harness.channel import codec, messages, to_supervisor, to_watchdog
from lockstep.harness.channel.bootstrap import Plan, read_plan
from lockstep.harness.channel.identity import Identity, clocks, identity
from lockstep.harness.channel.message_base import ToWatchdog, never
from lockstep.harness.channel.pacing import beat_s, gather_s
from lockstep.harness.channel.supervisor_end import HANDSHAKE_MS
from lockstep.harness.channel.to_watchdog import Delta
from lockstep.harness.host.spawning import dies_with
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.supervisor.ring_reader import RingReader
from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.event import Kind
from lockstep.harness.trace.handles import Comm, Wait
from lockstep.harness.trace.ring import Ring, StringTable
from tests.watchdog.simulated_start import Op, Script, members_of, simulate

CAPACITY = 512  # events of a ring: more than a simulated start-up has
AT_ONCE = int(zmq.NOBLOCK)
POLL_S = 0.01  # as a supervisor's
FEW_BLOCKS = 24


class AnonymousRing(Ring):
    """A ring without a descriptor: thousands of them in one process."""

    def __init__(self, rank: int, world: int) -> None:
        self.memory = mmap.mmap(-1, layout.ring_bytes(CAPACITY))
        layout.HEADER.pack_into(self.memory, 0, layout.MAGIC, layout.VERSION, rank, world, CAPACITY)
        self.capacity = CAPACITY
        self._next = 1
        self._strings = StringTable(self.memory)


class SimulatedRank:
    """One rank: it follows its script, and writes what a rank writes."""

    def __init__(self, rank: int, world: int, ep: int, script: Script) -> None:
        self.rank, self.world, self.ep, self.script = rank, world, ep, script
        self.ring = AnonymousRing(rank, world)
        self.recorder = Recorder(self.ring.memory, CAPACITY, rank)
        self.at = 0
        self._comms: dict[str, Comm] = {}
        self._wait: Wait | None = None

    def next_s(self) -> float | None:
        """When its next step is due, in virtual time; None after the last."""
        return self.script.times[self.at] if self.at < len(self.script.ops) else None

    def step(self) -> None:
        """Its next step."""
        op: Op = self.script.ops[self.at]
        self.at += 1
        arguments: tuple[Any, ...] = op.arguments
        if op.verb == "comm":
            members = members_of(arguments[0], self.rank, self.world, self.ep)
            self._comms[arguments[0]] = self.recorder.comm("nccl", arguments[0], members)
        elif op.verb == "enter":
            self._wait = self.recorder.collective(self._comms[arguments[0]], arguments[1])
            self._wait.__enter__()
        elif op.verb == "leave":
            if self._wait is not None:
                self._wait.__exit__(None, None, None)
        elif op.verb == "phase":
            self.recorder.write(Kind.PHASE, 0, 0, self.recorder.string(arguments[0]))
        else:
            getattr(self.recorder, op.verb)(*arguments)

    def all_at_once(self) -> Delta:
        """All its steps, whenever they are due, and what its supervisor would tell of them. Raises ValueError for none."""
        while self.next_s() is not None:
            self.step()
        delta = RingReader(self.ring).delta()
        if delta is None:
            raise ValueError(f"rank {self.rank} has done nothing")
        return delta


class SimulatedSupervisor:
    """The end of the line of one rank."""

    def __init__(self, context: zmq.Context[zmq.Socket[bytes]], plan: Plan, rank: SimulatedRank, who: Identity) -> None:
        self.rank = rank
        self.feed = RingReader(rank.ring)
        self.spoke = self.sent = 0.0
        self.heard = self.ended = self.gone = False
        self.socket = context.socket(zmq.DEALER)
        self.socket.curve_serverkey = plan.server_key.encode()
        self.socket.curve_publickey = plan.public_key.encode()
        self.socket.curve_secretkey = plan.secret_key.encode()
        self.socket.linger = 2000
        self.socket.handshake_ivl = HANDSHAKE_MS
        self.socket.connect(plan.endpoint)
        self.send(to_watchdog.Hello(rank.rank, pid=1, supervisor=1, address="127.0.0.1", **who, **clocks()))

    def send(self, message: ToWatchdog) -> None:
        """One message."""
        self.socket.send_multipart(codec.encode(message))
        self.spoke = time.monotonic()

    def forward(self) -> None:
        """What is new in the ring."""
        delta = self.feed.delta()
        if delta is not None:
            self.send(delta)
        self.sent = time.monotonic()

    def take(self) -> None:
        """Answer what has come."""
        while not self.gone:
            try:
                raw = self.socket.recv(AT_ONCE)
            except zmq.Again:
                return
            self.answer(codec.decode_from_watchdog(raw))

    def answer(self, message: messages.FromWatchdog) -> None:
        """As a supervisor does."""
        self.heard = True
        match message:
            case to_supervisor.Confirm():
                self.forward()
                self.send(to_watchdog.Confirmed(message.epoch, alive=True))
            case to_supervisor.Call():
                self.forward()
                self.send(to_watchdog.Here(message.number))
            case to_supervisor.ReadClock():
                self.send(to_watchdog.ClockRead(message.asked_ns, time.monotonic_ns()))
            case to_supervisor.TakeStacks():
                self.send(to_watchdog.Stacks("", "a simulated rank has no stack", number=message.number))
            case to_supervisor.Release():
                self.end(0)
            case to_supervisor.End():
                self.end(-9)
                self.send(to_watchdog.Bye())
            case to_supervisor.Leave():
                self.gone = True
            case (
                to_supervisor.WatchdogBeat() | to_supervisor.Acknowledge() | to_supervisor.TakeDumps() | to_supervisor.Look()
            ):
                pass
            case _:
                never(message)

    def end(self, code: int) -> None:
        """Its rank has ended."""
        if not self.ended:
            self.forward()
            self.ended = True
            self.send(to_watchdog.Ended(code, oom=False, seen_ns=time.monotonic_ns(), peak_bytes=0))


class Crowd:
    """The simulated supervisors of one process."""

    def __init__(self, plan: Plan, ranks: list[SimulatedRank]) -> None:
        self.beat_s, self.gather_s = beat_s(plan.world, plan.silence_s), max(POLL_S, gather_s(plan.world))
        self.context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        who = identity()
        self.context.set(zmq.MAX_SOCKETS, len(ranks) + 16)
        self.all = [SimulatedSupervisor(self.context, plan, rank, who) for rank in ranks]
        self.epoll = select.epoll()
        self.by_fd = {int(one.socket.getsockopt(zmq.FD)): one for one in self.all}
        for fd in self.by_fd:
            self.epoll.register(fd, select.EPOLLIN)
        self.steps: list[tuple[float, int]] = []  # virtual time, number of a supervisor
        self.due: list[tuple[float, int]] = []  # when one will look into its ring
        self.waiting: set[int] = set()  # those that are in `due`
        self.beats: list[tuple[float, int]] = [(time.monotonic() + self.beat_s, n) for n in range(len(self.all))]
        self.swept_s = 0.0

    def begin(self) -> None:
        """Every rank has a first step."""
        self.steps = [(at, n) for n, one in enumerate(self.all) if (at := one.rank.next_s()) is not None]
        heapq.heapify(self.steps)

    def all_heard(self) -> bool:
        """Whether the watchdog has answered everybody."""
        return all(one.heard for one in self.all)

    def all_gone(self) -> bool:
        """Whether the watchdog has sent everybody away."""
        return all(one.gone for one in self.all)

    def turn(self, started_s: float | None) -> None:
        """Write what is due, send what is new, answer what has come. `started_s`: when virtual time began."""
        now = time.monotonic()
        if started_s is not None:
            self._write(now, now - started_s)
        self._send(now)
        self._beat(now)
        for fd, _ in self.epoll.poll(0.002):
            self.by_fd[fd].take()
        if now - self.swept_s > 2.0:  # the descriptor of a socket tells of a change once only
            self.swept_s = now
            for one in self.all:
                one.take()

    def _write(self, now: float, virtual_s: float) -> None:
        while self.steps and self.steps[0][0] <= virtual_s:
            _, n = self.steps[0]
            one = self.all[n]
            one.rank.step()
            following = one.rank.next_s()
            if following is None:
                heapq.heappop(self.steps)
            else:
                heapq.heapreplace(self.steps, (following, n))
            if n not in self.waiting:
                self.waiting.add(n)
                heapq.heappush(self.due, (max(now, one.sent + self.gather_s), n))

    def _send(self, now: float) -> None:
        while self.due and self.due[0][0] <= now:
            _, n = heapq.heappop(self.due)
            self.waiting.discard(n)
            self.all[n].forward()
            self.all[n].take()  # a send may have swallowed the notice of what has come

    def _beat(self, now: float) -> None:
        while self.beats and self.beats[0][0] <= now:
            _, n = heapq.heappop(self.beats)
            one = self.all[n]
            if one.gone:
                continue
            if now - one.spoke >= self.beat_s:
                one.send(to_watchdog.SupervisorBeat())
                one.take()
            heapq.heappush(self.beats, (one.spoke + self.beat_s, n))


@dataclass(frozen=True)
class Simulation(Launcher):
    """In the place of an MPI launcher: simulated supervisors in so many processes. `options`: STEP_S, LACKING, EP."""

    processes: int
    options: Sequence[str]
    name: str = "simulated"
    program: str = sys.executable
    version: str = ""

    def command(self, rank_map: RankMap, argv: list[str], folder: Path, environment: Iterable[str] = ()) -> list[str]:
        """One process, which makes the others."""
        rest = [str(rank_map.ranks), str(self.processes), *self.options]
        return [self.program, "-m", "tests.watchdog.simulated_supervisors", *rest]

    def end(self, name: str) -> None:
        """They go with it."""


def main(ranks: str, processes: str, step_s: str, lacking: str, ep: str, *_: str) -> int:
    """Simulate, then play it in so many processes."""
    plan = read_plan(os.environ)
    size, count = int(ranks), int(processes)
    blocks = {int(lacking): FEW_BLOCKS} if int(lacking) >= 0 else {}
    start = simulate(size, blocks, float(step_s), int(ep))
    shared = mmap.mmap(-1, 4096)  # a byte for each process that is connected
    children: list[int] = []
    parent = os.getpid()
    dies_with(os.getppid())()
    for number in range(count):
        pid = os.fork()
        if pid == 0:
            dies_with(parent)()
            ours = range(number * size // count, (number + 1) * size // count)
            play(plan, [SimulatedRank(rank, size, int(ep), start.scripts[rank]) for rank in ours], shared, number, count)
            os._exit(0)
        children.append(pid)
    return max(os.waitpid(pid, 0)[1] for pid in children)


def play(plan: Plan, ranks: list[SimulatedRank], shared: mmap.mmap, number: int, count: int) -> None:
    """Until the watchdog has sent all away, or is gone."""
    crowd = Crowd(plan, ranks)
    started_s: float | None = None
    parent = os.getppid()
    while not crowd.all_gone() and os.getppid() == parent:
        crowd.turn(started_s)
        if started_s is None:
            shared[number] = crowd.all_heard()
            if all(shared[:count]):
                started_s = time.monotonic()
                crowd.begin()
    for one in crowd.all:
        one.socket.close()
    crowd.context.term()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
