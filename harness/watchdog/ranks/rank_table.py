"""What the watchdog knows of all ranks, kept up to date from the supervisors' messages. No sockets, no clock."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lockstep.harness.channel.messages import Delta
from lockstep.harness.judge.graph import Stuck, stuck
from lockstep.harness.trace.ring import decode
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.watchdog.ranks.retention import EACH, Keeps

UNREAD = "a message of its supervisor could not be read"
SETTLE_S = 1.0  # what a death is given to wake its peers on the same host


@dataclass(slots=True)
class Member:
    """One rank as the watchdog sees it."""

    state: RankState
    host: str = ""
    pid: int = 0
    supervisor: int = 0
    keeps: Keeps = EACH  # how much of its events
    exit_code: int | None = None  # of the engine's process; negative: the signal that ended it
    ended_s: float = 0.0  # when that was told
    ended_ns: int = 0  # when its supervisor saw it, by its host's clock
    oom_killed: bool = False
    peak_bytes: int | None = None  # of host memory, when it has ended
    records: bytearray = field(default_factory=bytearray)
    strings: list[str] = field(default_factory=list)
    left: set[str] = field(default_factory=set)  # files that this rank leaves behind when it is killed
    confirmed: int = -1  # epoch of the last confirmation
    doubts: tuple[str, ...] = ()  # why its standing still says nothing, as of that confirmation

    def text(self, ident: int) -> str:
        """The string with this id; a mark when it was lost."""
        return self.strings[ident] if ident < len(self.strings) else f"<string {ident}>"

    def take(self, delta: Delta) -> None:
        """Fold what is new in its ring in."""
        self.strings += map(sys.intern, delta.strings)  # ranks do the same, and say the same
        if delta.lost:
            self.state.overrun(delta.lost, delta.entered.__getitem__, delta.threads)
        self._keep(delta.records)
        self.state.apply(decode(delta.records), self.text)
        self.state.see(delta.breadcrumbs, delta.seen_ns, self.text)

    def distrust(self, reason: str) -> None:
        """It may have done what nobody was told of: nothing is proved of it."""
        if reason not in self.state.opaque:
            self.state.opaque.append(reason)

    def _keep(self, records: bytes) -> None:
        """Keep the first and the last events: how a rank parted from its peers, and what it does now."""
        self.records += records
        self.keeps.cut(self.records)

    @property
    def alive(self) -> bool:
        """Whether the engine's process has not ended."""
        return not self.state.gone

    def may_wake(self, now_s: float, settle_s: float) -> bool:
        """Whether it has ended so recently that its closing sockets may yet wake those that wait for it."""
        if self.state.status is Status.RUNNING or (self.state.parked and self.alive):
            return False
        return self.alive or now_s - self.ended_s < settle_s

    def end(self, code: int | None, now_s: float, seen_ns: int = 0) -> None:
        """The engine's process has ended. What its program had reached before (raised, returned) stays true.

        `seen_ns`: when, by its host's clock.
        """
        self.exit_code = code
        self.ended_s, self.ended_ns = now_s, seen_ns
        if self.state.status is Status.RUNNING:
            self.state.status = Status.DEAD
        self.state.waiters.clear()
        self.state.gone = True


class Members:
    """All ranks of a case, and the communicators that they have announced."""

    def __init__(self, world: int) -> None:
        self.world = world
        self.keeps = Keeps.of(world)
        self.settle_s = SETTLE_S
        self.by_rank: dict[int, Member] = {}
        self.comms: dict[str, tuple[int, ...]] = {}
        self.kinds: dict[str, tuple[str, str]] = {}  # key -> kind, name

    def __getitem__(self, rank: int) -> Member:
        return self.by_rank[rank]

    def __iter__(self) -> Iterator[tuple[int, Member]]:
        return iter(self.by_rank.items())

    def join(self, rank: int, host: str, pid: int, supervisor: int) -> None:
        """A supervisor said hello."""
        self.by_rank[rank] = Member(RankState(rank), host, pid, supervisor, self.keeps)

    def complete(self) -> bool:
        """Whether all supervisors have said hello."""
        return len(self.by_rank) == self.world

    def take(self, rank: int, delta: Delta) -> None:
        """What is new in the ring of a rank."""
        member = self.by_rank[rank]
        known = len(member.state.comms)
        member.take(delta)
        if len(member.state.comms) != known:
            for info in member.state.comms.values():
                self.comms[info.key] = info.members
                self.kinds[info.key] = (info.kind, info.name)

    def unread(self, number: int) -> None:
        """Something that a supervisor sent could not be read."""
        self.by_rank[number].distrust(UNREAD)

    def states(self) -> dict[int, RankState]:
        """The state of each rank that has reported."""
        return {rank: member.state for rank, member in self.by_rank.items()}

    def missing(self) -> set[int]:
        """The supervisors that have not said hello."""
        return set(range(self.world)) - set(self.by_rank)

    def left(self) -> dict[int, set[str]]:
        """By supervisor, the shared memory that its ranks have told of and leave behind when they are killed."""
        return {rank: member.left for rank, member in self.by_rank.items()}

    def knot(self) -> list[Stuck]:
        """The waits that can never end, if the present states held together."""
        return stuck(self.states(), self.comms)

    def by_pid(self) -> dict[int, int]:
        """Ranks by process. Processes of several hosts may have one number: those are left out."""
        pids = Counter(member.pid for _, member in self)
        return {member.pid: rank for rank, member in self if pids[member.pid] == 1}

    def supervisor_of(self, rank: int) -> int:
        """The number of the supervisor of a rank."""
        return rank

    def holds(self) -> bool:
        """Whether what `knot` took for granted is still so."""
        return True

    def answered(self, epoch: int) -> bool:
        """Whether everybody else who was asked to confirm in `epoch` has answered."""
        return True

    def may_wake(self, knot: Sequence[Stuck], now_s: float) -> bool:
        """Whether somebody has ended so recently that a wait of the knot may yet end by it."""
        return any(member.may_wake(now_s, self.settle_s) for _, member in self)

    def settled(self) -> bool:
        """Whether no rank runs any more: each has raised, returned, aborted or died."""
        return self.complete() and all(m.state.status is not Status.RUNNING for m in self.by_rank.values())

    def over(self) -> bool:
        """Whether everybody has ended, or an engine cannot go on. Not while a rank has called abort and its launcher has not
        yet killed the job."""
        running = aborting = False
        for _, member in self:
            status = member.state.status
            running |= status is Status.RUNNING
            aborting |= status is Status.ABORTED and member.alive
            if status is Status.UNABLE:
                return True
        return not running and not aborting and self.settled()

    def kill(self, now_s: float) -> None:
        """The launcher has killed everybody."""
        for _, member in self:
            if member.alive:
                member.end(-9, now_s)
