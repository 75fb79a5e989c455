"""What the watchdog knows of a program that knows nothing of us: processes that come and go, and the ranks among them.

A process is a rank when it has joined a world of ranks (an MPI world, a world of torch.distributed). Its number is the one
that it has there, if no other process has it: a program may hold several worlds. No sockets, no clock.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from lockstep.harness.channel.messages import Delta, LockHeld, Stands
from lockstep.harness.judge.clock import Clock
from lockstep.harness.judge.graph import Hopeless, Stuck, stuck
from lockstep.harness.judge.history import Entry, History
from lockstep.harness.judge.snapshot import Failure
from lockstep.harness.trace.event import RECORD
from lockstep.harness.trace.ring import decode
from lockstep.harness.trace.state import Join, RankState, Status
from lockstep.harness.watchdog.ranks.rank_table import UNREAD, Member, Members

SPAWNER_S = 10.0  # what a process that starts and watches others is given to end those that wait for a dead one
MOST_HIDDEN = 10_000  # operations that C++ has issued in one backward pass
NOBODY_YET = 1_000_000  # from here on numbers of ranks whose process is not known

ENDED = (-signal.SIGTERM, -signal.SIGKILL)  # by who started it, and would not wait for the interpreter's own end
Process = tuple[int, int]  # supervisor, serial


@dataclass(slots=True)
class Command:
    """One launched command, and what its supervisor tells of the processes below."""

    host: str
    pid: int
    supervisor: int
    exit_code: int | None = None
    ended_s: float = 0.0
    alive: Sequence[int] | None = None  # process ids; None: not told yet
    unread: bool = False  # whether something that it sent could not be read
    scanned: int = -1  # epoch in which it looked last
    unseen: Sequence[str] = ()
    left: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Attendee(Member):
    """One attached process; a rank when `rank` is not None."""

    process: Process = (0, 0)
    rank: int | None = None
    argv: Sequence[str] = ()
    leaving_s: float = 0.0  # when its last exit handler had run, on the watchdog's clock
    hidden: Sequence[str] = ()  # what C++ had issued when it last answered
    hidden_at: int = -1  # the number of its last event then

    def end(self, code: int | None, now_s: float, seen_ns: int = 0) -> None:
        """Its process has ended. One that said it returned, with a status that says otherwise, has died."""
        failed = self.state.failed
        super(Attendee, self).end(self.state.exit_status if code is None else code, now_s, seen_ns)
        if failed and self.state.status is Status.DEAD:
            self.state.status = Status.RAISED
        elif self.state.status is Status.RETURNED and code and not (self.state.leaving_ns and code in ENDED):
            self.state.status = Status.DEAD

    def confirm(self, told: Stands | LockHeld) -> tuple[str, ...]:
        """Why the rank's standing still, which it (or its supervisor) has just confirmed, says nothing; empty: it does."""
        if isinstance(told, LockHeld):
            # A thread that holds Python's lock in its wait keeps all others from doing anything.
            thread = self.state.kernel_ids.get(told.owner)
            held = thread is not None and self.state.waiters.get(thread) is not None
            return () if held else ("a thread that holds Python's lock is in no wait that is known",)
        self.hidden, self.hidden_at = told.hidden, told.number
        moved = () if told.number == self.state.number else ("its events go on",)
        return (*(f"Python thread {text} may still communicate" for text in told.others), *moved)

    def hidden_entries(self) -> list[Entry]:
        """What C++ has issued and no event tells of yet, as long as it has not moved since it said so."""
        found: list[Entry] = []
        if self.hidden_at != self.state.number:
            return found
        for text in self.hidden:
            ident, count, op, site = issued(text)
            info = self.state.comms.get(ident)
            if info is not None:
                first = self.state.entered.get(info.key, 0) + 1
                found += [
                    Entry(self.state.number, info.key, first + n, op, "", "", -1, site, posted=True) for n in range(count)
                ]
        return found


def issued(text: str) -> tuple[int, int, str, str]:
    """What a process tells of operations that C++ has issued: communicator's id, how many, which, at which line."""
    try:
        ident, count, op, site = json.loads(text)
        return int(ident), min(int(count), MOST_HIDDEN), str(op), str(site)
    except (TypeError, ValueError):
        return -1, 0, "", ""  # of no communicator


class Crowd(Members):
    """All attached processes, by process and by rank."""

    def __init__(self, launched: int) -> None:
        super().__init__(launched)
        self.commands: dict[int, Command] = {}
        self.processes: dict[Process, Attendee] = {}
        self._ranks: dict[int, Attendee] = {}
        self._numbers: dict[tuple[str, int], int] = {}  # scope, rank in it -> our number of it
        self._claims: dict[tuple[str, int], tuple[Attendee, bool]] = {}  # ... -> the process that has it, and whether firmly
        self._assumed_closed = False
        self.hopeless: Hopeless = {}  # waits that never end, since members came to something else
        self.restarts = 0

    def __getitem__(self, rank: int) -> Attendee:
        return self._ranks[rank]

    def __iter__(self) -> Iterator[tuple[int, Member]]:
        return iter(sorted(self._ranks.items()))

    # --- what supervisors tell ------------------------------------------------------------------------------------

    def came(self, process: Process, pid: int, argv: Sequence[str]) -> None:
        """A process has handed over its ring."""
        command = self.commands[process[0]]
        state = RankState(-1, rank_of=self.rank_of, opaque=[UNREAD] if command.unread else [])
        self.processes[process] = Attendee(
            state, command.host, pid, command.supervisor, self.keeps, process=process, argv=argv
        )

    def told(self, process: Process, delta: Delta, now_s: float) -> Attendee:
        """What is new in the ring of a process."""
        one = self.processes[process]
        joins, comms = len(one.state.joins), len(one.state.comms)
        one.take(delta)
        if one.state.leaving_ns and not one.leaving_s:
            one.leaving_s = now_s
        if len(one.state.joins) != joins:
            for join in one.state.joins[joins:]:
                self._claim(one, join)
        if len(one.state.comms) != comms:
            self._announce(one)
        return one

    def unread(self, number: int) -> None:
        """Something that a supervisor sent could not be read. It may have been of any process below it."""
        self.commands[number].unread = True
        for process, one in self.processes.items():
            if process[0] == number:
                one.distrust(UNREAD)

    def gone(self, process: Process, code: int | None, now_s: float, oom: bool, seen_ns: int = 0) -> None:
        """A process has ended. `seen_ns`: when, by its host's clock."""
        one = self.processes[process]
        one.oom_killed = oom
        one.end(code, now_s, seen_ns)

    # --- who is which rank ----------------------------------------------------------------------------------------

    def rank_of(self, scope: str, rank: int) -> int:
        """Our number of a rank of a world. One whose process is not known gets a number that nobody has."""
        key = (scope, rank)
        if key not in self._numbers:
            taken = set(self._numbers.values())
            self._numbers[key] = rank if rank not in taken else self._fresh(NOBODY_YET, taken)
        return self._numbers[key]

    @staticmethod
    def _fresh(first: int, taken: set[int]) -> int:
        return next(number for number in range(first, first + len(taken) + 1) if number not in taken)

    def _claim(self, one: Attendee, join: Join) -> None:
        """A process says that it is a rank. Who has come stands above who only may; who lives, above who has ended."""
        key = (join.scope, join.rank)
        holder, firm = self._claims.get(key, (None, False))
        if holder is one:
            self._claims[key] = (one, firm or join.firm)
        elif holder is None or not holder.alive or (join.firm and not firm):
            if holder is not None and holder.rank is not None:
                self.restarts += join.firm and firm
                self._ranks.pop(holder.rank, None)
                holder.rank = None
            self._claims[key] = (one, join.firm)
        elif join.firm:
            one.state.opaque.append(f"another process is rank {join.rank} of {join.scope} already")
            return
        else:
            return  # a helper that was started with a rank's environment
        number = self.rank_of(*key)
        if one.rank is None:
            if number >= NOBODY_YET:
                taken = {n for n in self._numbers.values() if n < NOBODY_YET} | set(self._ranks)
                number = self._fresh(max(taken, default=-1) + 1, taken)
            one.rank = number
        if self._numbers[key] != one.rank:  # the process has a number from another world
            self._numbers[key] = one.rank
            self._again()
        one.state.rank = one.rank
        self._ranks[one.rank] = one

    def _again(self) -> None:
        """Numbers have changed: fold all events once more."""
        self.comms.clear()
        for one in self.processes.values():
            old = one.state
            fresh = RankState(-1 if one.rank is None else one.rank, rank_of=self.rank_of)
            fresh.apply(decode(bytes(one.records)), one.text)
            if old.lost or old.number * RECORD.size > len(one.records):
                fresh.lost, fresh.blind = old.lost, True
                fresh.opaque.append("events that told its communicators were lost")
            for reason in old.opaque:
                if reason not in fresh.opaque:
                    fresh.opaque.append(reason)
            fresh.gone = old.gone
            if old.gone:
                fresh.status = old.status
                fresh.waiters.clear()
            one.state = fresh
            self._announce(one)

    def _announce(self, one: Attendee) -> None:
        for info in one.state.comms.values():
            self.comms[info.key] = info.members
            self.kinds[info.key] = (info.kind, info.name)

    # --- what is known of all -------------------------------------------------------------------------------------

    def complete(self) -> bool:
        """Whether all supervisors have said hello."""
        return len(self.commands) == self.world

    def missing(self) -> set[int]:
        """The supervisors that have not said hello."""
        return set(range(self.world)) - set(self.commands)

    def left(self) -> dict[int, set[str]]:
        """By supervisor, the shared memory that it has told of."""
        return {index: command.left for index, command in self.commands.items()}

    def states(self) -> dict[int, RankState]:
        """The state of each rank."""
        return {rank: one.state for rank, one in self._ranks.items()}

    def others(self) -> set[tuple[int, int]]:
        """Living processes (supervisor, pid) that are no ranks: they may start more."""
        ranks = {(one.process[0], one.pid) for one in self._ranks.values()}
        listed = {(i, pid) for i, command in self.commands.items() for pid in command.alive or ()}
        unknown = {(i, 0) for i, command in self.commands.items() if command.alive is None}
        return (listed | unknown) - ranks

    def settled(self) -> bool:
        """Whether the commands and all ranks have ended."""
        ended = self.complete() and all(command.exit_code is not None for command in self.commands.values())
        return ended and not any(one.alive for one in self._ranks.values())

    def knot(self) -> list[Stuck]:
        """As of all members. When nobody is left who could start another process, a rank that has not come never will."""
        states = self.states()
        self._assumed_closed = False
        if self.complete() and not self.others():
            found = stuck(states | self._absent(), self.comms, hopeless=self.hopeless)
            living = {rank for rank, one in self._ranks.items() if one.alive and one.state.status is Status.RUNNING}
            if living and living <= {wait.rank for wait in found}:
                self._assumed_closed = True
                return found
        return stuck(states, self.comms, closed=False, hopeless=self.hopeless)

    def supervisor_of(self, rank: int) -> int:
        """The number of the supervisor below which a rank runs."""
        return self._ranks[rank].process[0]

    def holds(self) -> bool:
        """Nobody has appeared meanwhile who could start another process."""
        return not self._assumed_closed or not self.others()

    def answered(self, epoch: int) -> bool:
        """Where it matters whether others are left, every supervisor must have looked again."""
        return not self._assumed_closed or all(command.scanned == epoch for command in self.commands.values())

    @contextmanager
    def with_absent(self) -> Iterator[None]:
        """For a verdict that may rest on ranks that never came: each has a place meanwhile."""
        absent = self._absent() if self._assumed_closed else {}
        self._ranks |= {rank: Attendee(state, rank=rank) for rank, state in absent.items()}
        try:
            yield
        finally:
            for rank in absent:
                del self._ranks[rank]

    def _absent(self) -> dict[int, RankState]:
        named = {member for members in self.comms.values() for member in members}
        return {
            rank: RankState(rank, status=Status.DEAD, gone=True, rank_of=self.rank_of) for rank in named - set(self._ranks)
        }

    def may_wake(self, knot: Sequence[Stuck], now_s: float) -> bool:
        """Whether a wait of the knot may yet end because of a member that has ended.

        Its sockets close when its process ends. MPI has none to close: who is past its last exit handler only finalizes it.
        Who starts and watches processes may end those that wait for a dead one.
        """
        patience_s = SPAWNER_S if self.others() else self.settle_s
        for wait in knot:
            for peer in self.comms.get(wait.wait.comm, ()):
                one = self._ranks.get(peer)
                if one is None or one.state.status is Status.RUNNING:
                    continue
                if not one.alive:
                    if now_s - one.ended_s < patience_s:
                        return True
                elif self.kinds[wait.wait.comm][0] != "mpi" or not one.leaving_s or now_s - one.leaving_s < self.settle_s:
                    return True
        return False

    def failures(self, clock_of: Callable[[int], Clock]) -> list[Failure]:
        """What ended processes that are no ranks, the first in time first. `clock_of`: that of a supervisor's host."""
        found: list[Failure] = []
        for one in self.processes.values():
            if one.rank is None and one.state.failed:
                history = History.read(-1, one.records, one.strings, clock_of(one.process[0]))
                if history.error is not None:
                    found.append(Failure(one.pid, history.error, history.failed))
        return sorted(found, key=lambda failure: failure.time.ours_ns)

    def unseen(self) -> list[str]:
        """What of the program could not be seen, in sentences."""
        found = [f"rank {rank}: {reason}" for rank, one in self for reason in one.state.opaque]
        return found + [reason for command in self.commands.values() for reason in command.unseen]
