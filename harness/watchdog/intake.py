"""The intake: what supervisors tell of a case goes to the tables of its ranks, what is to be kept to its files."""

from __future__ import annotations

import time

from lockstep.harness.channel.message_base import never
from lockstep.harness.channel.messages import FromSupervisor
from lockstep.harness.channel.to_watchdog import (
    Around,
    Bye,
    Came,
    ClockRead,
    Confirmed,
    Delta,
    Dump,
    Ended,
    FlightRecord,
    Gone,
    Hello,
    Here,
    Idle,
    LauncherLost,
    LeftBehind,
    LeftOnHost,
    LeftOut,
    LockHeld,
    Log,
    Output,
    Processes,
    Scanned,
    SharedMemory,
    Stacks,
    StacksDone,
    Stands,
    Starved,
    StateFile,
    SupervisorBeat,
)
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.watchdog.evidence import Evidence
from lockstep.harness.watchdog.listener import Listener
from lockstep.harness.watchdog.presence.abort_gate import AbortGate
from lockstep.harness.watchdog.presence.registry import Registry
from lockstep.harness.watchdog.ranks.process_table import ENGINE, Origin
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks
from lockstep.harness.watchdog.ranks.rank_table import RankTable
from lockstep.harness.watchdog.stack_round import StackRound
from lockstep.harness.watchdog.teardown.host_leaks import HostLeaks

JUDGED = (Hello, Delta, Ended, Came, Gone, Processes)  # messages that may change what is judged
MOVES = (Delta, Ended, Gone, Processes)  # those after which another knot may be there
OF_A_PROCESS = (Delta, Gone, Stands, LockHeld, FlightRecord)  # about one that has come
OF_A_PROGRAM = (Around, Came, Idle, LeftBehind, Processes, Scanned)  # that the supervisor of an engine never sends


class Intake:
    """`changes`: messages that may have changed what is judged. `dirty`: whether nobody has looked for a knot since."""

    def __init__(
        self,
        ranks: RankTable,
        registry: Registry,
        abort_gate: AbortGate,
        evidence: Evidence,
        stack_round: StackRound,
        host_leaks: HostLeaks,
        listener: Listener,
    ) -> None:
        self.changes = 0
        self.printed_bytes = 0
        self.dirty = False
        self._ranks = ranks
        self._processes = ranks.processes
        self._registry = registry
        self._abort_gate = abort_gate
        self._evidence = evidence
        self._stack_round = stack_round
        self._host_leaks = host_leaks
        self._listener = listener

    def take(self, end: Head, number: int, message: FromSupervisor) -> None:
        """What a supervisor tells. What it may not say is refused."""
        self.changes += isinstance(message, JUDGED)
        self.dirty |= isinstance(message, MOVES)
        if not self._may_say(number, message):
            end.refuse(number, message)
            return
        match message:
            case SupervisorBeat() | Here() | ClockRead() | Bye() | LauncherLost():
                pass  # of itself only, which membership has taken
            case LeftOnHost():
                self._host_leaks.told(self._registry[number], message.leaks)
            case LeftOut():
                self._evidence.left_out.append(f"rank {number}: {message.text}")
            case StateFile():
                self._evidence.files.state(self._registry[number].host, message.path, message.data)
            case Log():
                self._evidence.files.supervisor_log(number, message.text)
            case Output():
                self.printed_bytes += len(message.data)
                self._evidence.files.output(number, message.stream, message.data)
                if self._ranks.open:
                    self._listener.output(message.stream, message.data)
            case Dump() | FlightRecord() | Stacks() | StacksDone():
                self._take_evidence(number, message)
            case _:
                self._take_news(number, message)

    def _may_say(self, number: int, message: FromSupervisor) -> bool:
        records = self._processes.records
        if isinstance(message, OF_A_PROCESS):
            return (number, message.proc) in records  # such a process has come
        if isinstance(message, Confirmed):
            return (number, ENGINE) in records
        return self._ranks.open or not isinstance(message, OF_A_PROGRAM)

    def _take_news(
        self,
        number: int,
        message: Hello
        | Came
        | Delta
        | Gone
        | Ended
        | Processes
        | Idle
        | LeftBehind
        | Scanned
        | Around
        | Confirmed
        | Stands
        | LockHeld
        | Starved
        | SharedMemory,
    ) -> None:
        """What processes do, and how they stand."""
        now = time.monotonic()
        if isinstance(message, Hello):
            self._ranks.joined(number, message.host, message.pid)
        command = self._processes.commands[number]
        match message:
            case Hello():
                pass
            case Came():
                if isinstance(self._ranks, ProgramRanks):
                    self._ranks.came((number, message.proc), message.pid, Origin(message.argv, message.above))
            case Delta():
                record = self._ranks.take((number, message.proc), message, now)
                self._evidence.grew(record, message)
                if record.state.aborting:
                    self._abort_gate.note(*record.process, record.state.number)
            case Gone():
                record = self._processes.records[number, message.proc]
                record.oom_killed = message.oom
                self._ranks.end(record, message.code, now, message.seen_ns)
            case Ended():
                self._processes.ended(number, message, now)
            case Processes():
                command.alive, command.unseen = message.alive, message.unseen
                command.heirs, command.overseers = message.heirs, message.overseers
            case Idle():
                command.idle = frozenset(message.pids)
            case LeftBehind():
                command.left_behind = message.processes
            case Scanned():
                command.scanned = message.epoch
            case Around():
                if isinstance(self._ranks, ProgramRanks):
                    self._ranks.sleepers.take(number, message)
            case Confirmed():
                self._processes.records[number, ENGINE].confirm(message)
            case Stands() | LockHeld():
                record = self._processes.records[number, message.proc]
                before = record.state.kept_out
                record.confirm(message)
                self.dirty |= record.state.kept_out != before  # no event tells it
            case Starved():
                command.wanted(message.waited_ns / 1e9, not self._processes.records[number, ENGINE].state.busy)
            case SharedMemory():
                command.shm_files |= set(message.paths)
            case _:
                never(message)

    def _take_evidence(self, number: int, message: Dump | FlightRecord | Stacks | StacksDone) -> None:
        """What was asked for: after the verdict, or (with a number) while the case goes on."""
        records = self._processes.records
        match message:
            case Dump():
                self._evidence.dumped(message)
            case FlightRecord():
                self._evidence.flight(records[number, message.proc], message)
            case Stacks() if message.number:
                self._stack_round.take(records.get((number, message.proc)), message)
                if not self._ranks.open:
                    self._stack_round.done(number, message.number)
            case StacksDone() if message.number:
                self._stack_round.done(number, message.number)
            case Stacks():
                self._evidence.stacks(records.get((number, message.proc)), message)
                if not self._ranks.open:  # an engine is all that its supervisor has
                    self._evidence.awaited.discard(number)
            case StacksDone():
                self._evidence.awaited.discard(number)
            case _:
                never(message)
