"""What the watchdog knows of the processes of a case, and of those below which they run. No sockets, no clock.

An engine's rank is a process whose ring was there from the start: its supervisor has no other. A program's processes come
and go; which of them is which rank is told in `program_ranks`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lockstep.harness.channel.to_watchdog import Confirmed, Delta, Ended, LockHeld, Stands
from lockstep.harness.judge.clock import Clock
from lockstep.harness.judge.history import History
from lockstep.harness.judge.mismatch import is_message
from lockstep.harness.judge.snapshot import Failure
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.ring import decode
from lockstep.harness.trace.state import RankState, Status, Wait
from lockstep.harness.trace.wait import STORES
from lockstep.harness.watchdog.ranks.command import Command
from lockstep.harness.watchdog.ranks.retention import EACH, Retention
from lockstep.harness.watchdog.ranks.turning import Turning

OF_ITSELF = (
    "own",
    "interruptible",
    "parked",
    "forked",
    "alarm",
)  # kinds of ends at which no other process acts
ENGINE = -1  # the number of an engine among its supervisor's processes: there is no other
UNREAD = "a message of its supervisor could not be read"
Process = tuple[int, int]  # supervisor, number among its processes


class Sleeper(NamedTuple):
    """A thread that sleeps until somebody acts who holds the other end of a thing. `ends`: name -> who does, by ids."""

    thread: int  # the kernel's id
    op: str
    site: str
    steps: tuple[int, ...]  # others when it has run
    ends: tuple[tuple[str, tuple[int, ...] | None], ...]  # None: they are not all known

    @staticmethod
    def read(told: Any, host: str) -> Sleeper | None:
        """As a supervisor tells it; None for what makes no sense."""
        try:
            ends = tuple(
                (
                    f"{kind} {name} {told['thread'] if kind in OF_ITSELF else ''}@{host}",
                    None if pids is None else tuple(map(int, pids)),
                )
                for kind, name, pids in told["ends"]
            )
            steps = tuple(map(int, told["steps"]))
            return Sleeper(int(told["thread"]), str(told["op"]), str(told["site"]), steps, ends) if ends else None
        except (LookupError, TypeError, ValueError):
            return None

    def wait(self, rank: int) -> Wait:
        """As the graph takes it: one of those that hold any of its ends is enough to end it."""
        parts = tuple(
            Wait("", 0, self.op, Need.HOLDERS, -1, 0, 0, "", "", site=self.site, end=name) for name, _ in self.ends
        )
        return parts[0] if len(parts) == 1 else parts[0]._replace(need=Need.EITHER, end="", parts=parts)


class Origin(NamedTuple):
    """How a process was started: its command line, as far as it is told, and who stands above it, its parent first."""

    argv: tuple[str, ...] = ()
    above: tuple[int, ...] = ()

    def repeats(self, other: Origin) -> bool:
        """Whether it is the same command, started by the same process."""
        return bool(self.above) and self.above == other.above and self.argv == other.argv


NOWHERE = Origin()  # it is not known how it was started


@dataclass(slots=True)
class ProcessRecord:
    """One process with a ring; a rank when `rank` is not None."""

    state: RankState
    host: str = ""
    pid: int = 0
    process: Process = (0, ENGINE)
    rank: int | None = None
    keeps: Retention = EACH  # how much of its events
    exit_code: int | None = None  # negative: the signal that ended it
    ended_s: float = 0.0  # when that was told
    ended_ns: int = 0  # when its supervisor saw it, by its host's clock
    oom_killed: bool = False
    peak_bytes: int | None = None  # of host memory, when it has ended and its supervisor measures it
    leaving_s: float = 0.0  # when its last exit handler had run, on the watchdog's clock
    replaced_s: float | None = None  # when it took the place of another process, on the watchdog's clock
    left: Wait | None = None  # the wait in which it was when it ended
    records: bytearray = field(default_factory=bytearray)
    strings: list[str] = field(default_factory=list)
    confirmed: int = -1  # epoch of the last confirmation
    hidden: tuple[str, ...] = ()  # what C++ had issued when it last answered
    hidden_at: int = -1  # the number of its last event then
    issued: int = 0  # operations, with or without an event, when it last answered
    doubts: tuple[str, ...] = ()  # why its standing still says nothing, as of that confirmation
    sleepers: tuple[Sleeper, ...] | None = None  # its threads that are in no recorded operation, as it last answered
    sleepers_at: int = -1  # the number of its last event then
    turning: Turning = field(default_factory=Turning)  # its threads in waits with a limit, as it last answered
    origin: Origin = NOWHERE
    wakers: tuple[str, ...] = ()  # what may wake it beside, or end it
    nccl_hears: bool = False  # of a peer's end, over which it may be ended, as it last answered
    steady: frozenset[tuple[int, tuple[int, ...]]] = frozenset()  # threads and steps that its last two answers share

    @property
    def at_rest(self) -> bool:
        """Whether each of its threads was in a wait when it last answered, and it has not moved since."""
        return self.sleepers is not None and self.sleepers_at == self.state.number and not self.doubts

    @property
    def position(self) -> tuple[object, ...]:
        """What changes with every step of it."""
        told = self.sleepers or () if self.at_rest else ()
        steps = [(one.thread, one.steps) for one in told if one.steps and not one.op.startswith(STORES)]
        return (*self.state.position, tuple(steps))

    @property
    def open_waits(self) -> tuple[str, ...]:
        """Its threads that others may wake, who need not be ranks."""
        told = self.sleepers or () if self.at_rest else ()
        return tuple(
            f"a thread waits in {one.op}{f' at {one.site}' if one.site else ''} for others"
            for one in told
            if not all(name.startswith("own ") for name, _ in one.ends)
        )

    def text(self, ident: int) -> str:
        """The string with this id; a mark when it was lost."""
        return self.strings[ident] if 0 <= ident < len(self.strings) else f"<string {ident}>"

    def take(self, delta: Delta) -> None:
        """Fold its new events in. The first and the last are kept: how it parted from its peers, and what it does now."""
        self.strings += map(sys.intern, delta.strings)  # ranks do the same, and say the same
        if delta.lost:
            self.state.overrun(delta.lost, delta.entered.__getitem__, delta.threads)
        if delta.tables:
            self.state.restore(delta.tables, self.text)
        self.records += delta.records
        self.keeps.trim(self.records)
        self.state.apply(decode(delta.records), self.text)
        self.state.see(delta.breadcrumbs, delta.seen_ns, self.text)

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return not self.state.gone

    def end(self, code: int | None, now_s: float, seen_ns: int = 0) -> None:
        """It has ended. What its program had reached before (raised, returned) stays true.

        `seen_ns`: when, by its host's clock.
        """
        self.exit_code = code
        self.ended_s, self.ended_ns = now_s, seen_ns
        self.left = next((wait for _, wait in self.state.waits()), None)
        if self.state.status is Status.RUNNING:
            self.state.status = Status.DEAD
        self.state.waiters.clear()
        self.state.gone = True

    def confirm(self, answer: Confirmed | Stands | LockHeld) -> None:
        """It, or its supervisor, says that it still stands where it stood: note the epoch, and why that says nothing."""
        self.doubts = self._doubts(answer)
        self.confirmed = answer.epoch
        state = self.state
        state.keeper, state.kept_out = -1, frozenset()
        if isinstance(answer, LockHeld) and answer.waiting and not self.doubts:
            state.keeper = state.kernel_ids[answer.owner]
            state.kept_out = frozenset(state.kernel_ids[one] for one in answer.waiting if one in state.kernel_ids)
        if isinstance(answer, Stands):
            told = [_json(text) for text in answer.held]
            turning = [one for one in told if isinstance(one, dict) and "turns" in one]
            self.turning.take(turning, answer.number, answer.others)
            read = [Sleeper.read(one, self.host) for one in told if one not in turning]
            if None in read:
                self.doubts = (*self.doubts, "what its supervisor tells of its threads makes no sense")
            self.wakers, self.nccl_hears = answer.wakers, answer.nccl_hears
            before = {(one.thread, one.steps) for one in self.sleepers or ()}
            self.sleepers, self.sleepers_at = tuple(one for one in read if one is not None), answer.number
            self.steady = frozenset(before.intersection((one.thread, one.steps) for one in self.sleepers))

    def _doubts(self, answer: Confirmed | Stands | LockHeld) -> tuple[str, ...]:
        match answer:
            case Confirmed():
                return ()
            case LockHeld():
                self.sleepers = None  # what its other threads were in: none of them can do anything
                # A thread that holds Python's lock in its wait keeps all others from doing anything, and nobody else could.
                if answer.others:
                    return answer.others
                thread = self.state.kernel_ids.get(answer.owner)
                wait = self.state.waiters.get(thread) if thread is not None else None
                if wait is None:
                    return ("a thread that holds Python's lock is in no wait that is known",)
                if answer.waiting and (not wait.comm or is_message(wait.op)):
                    return ("a thread that keeps Python's lock is in no collective",)
                return ()
            case Stands():
                self.hidden, self.hidden_at, self.issued = answer.hidden, answer.number, answer.issued
                moved = () if answer.number == self.state.number else ("its events go on",)
                return (*answer.others, *moved)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


class ProcessTable:
    """All processes of a case that have rings, and what is below each of its supervisors."""

    def __init__(self, supervisors: int) -> None:
        self.supervisors = supervisors
        self.keeps = Retention.of(supervisors)
        self.commands: dict[int, Command] = {}  # by supervisor
        self.records: dict[Process, ProcessRecord] = {}

    def add(self, process: Process, pid: int, state: RankState, rank: int | None = None) -> ProcessRecord:
        """A process has come. Its supervisor has said hello before."""
        command = self.commands[process[0]]
        record = self.records[process] = ProcessRecord(state, command.host, pid, process, rank, self.keeps)
        if command.unread:
            state.opaque.append(UNREAD)
        return record

    def distrust(self, number: int) -> None:
        """Something that a supervisor sent could not be read. It may have been of any process below: nothing is proved."""
        self.commands[number].unread = True
        for process, record in self.records.items():
            if process[0] == number and UNREAD not in record.state.opaque:
                record.state.opaque.append(UNREAD)

    def ended(self, number: int, message: Ended, now_s: float) -> None:
        """What a supervisor has started has ended. A command may leave processes behind; an engine is the process."""
        command = self.commands[number]
        command.exit_code, command.ended_s, command.ended_ns = message.code, now_s, message.seen_ns
        engine = self.records.get((number, ENGINE))
        if engine is not None:
            engine.end(message.code, now_s, message.seen_ns)
            engine.oom_killed, engine.peak_bytes = message.oom, message.peak_bytes

    def complete(self) -> bool:
        """Whether all supervisors have said hello."""
        return len(self.commands) == self.supervisors

    def over(self) -> bool:
        """Whether all that supervisors have started has ended."""
        return self.complete() and all(command.exit_code is not None for command in self.commands.values())

    def living(self) -> set[Process]:
        """Living processes, as supervisor and process id, with rings or without; id 0 where it is not known which live."""
        listed = {(number, pid) for number, command in self.commands.items() for pid in command.alive or ()}
        return listed | {(number, 0) for number, command in self.commands.items() if command.alive is None}

    def failures(self, clock_of: Callable[[int], Clock]) -> list[Failure]:
        """What ended processes that are no ranks, the first in time first. `clock_of`: that of a supervisor's host."""
        found: list[Failure] = []
        for record in self.records.values():
            if record.rank is None and record.state.failed:
                history = History.read(-1, record.records, record.strings, clock_of(record.process[0]))
                if history.error is not None:
                    found.append(Failure(record.pid, history.error, history.failed))
        return sorted(found, key=lambda failure: failure.time.ours_ns)
