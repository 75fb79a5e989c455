"""Looks for a case that has lost a rank and in which nobody has moved since: no watch waits for ever on such a one.

A rank that dies in an operation that it had entered, or in MPI_Init, counts as come: its peers may still get out, so that
nothing is proved. Where they do not, and nobody else does anything either, the case is judged as it stands. A rank that goes
on, by events or by computing, is never ended by this rule. No sockets, no clock.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from lockstep.harness.trace.communicator import WORLDS_END
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import Status
from lockstep.harness.watchdog.proof import Proof
from lockstep.harness.watchdog.ranks.process_table import Process, ProcessRecord
from lockstep.harness.watchdog.ranks.rank_table import RankTable

QUIET_S = 10.0
BOUND_S = 4.0  # beside what a death is given: when no wait that is left has a limit of time, or may end without a peer
WATCHED_S = 30.0  # while a process is left that may watch the others, and end them or start more
LEFT_S = 1.0  # beside what a death is given: when all others have ended but for their libraries
UNCONFIRMED_S = 10.0  # more, while ranks are asked whether they stand: there may be a proof
SILENT_S = 60.0  # a launched command has failed, for which every launcher ends the others: whatever they compute
EACH_S = 0.2  # between two looks
PEERS = (Need.ALL, Need.ROOT, Need.BELOW, Need.RECV, Need.PROBE, Need.SSEND)  # who ends these waits is a rank


@dataclass(slots=True)
class LossWatch:
    """Follows a case since its first loss. Times are of the clock of the time in which the watchdog listened."""

    ranks: RankTable
    proof: Proof
    _position: tuple[object, ...] = ()
    _since_s: float = 0.0
    _due_s: float = 0.0
    _found: bool = False

    def found(self, now_s: float) -> bool:
        """Whether a rank is lost, and all has been quiet since for long enough."""
        if now_s >= self._due_s:
            self._due_s = now_s + EACH_S
            self._found = self._look(now_s)
        return self._found

    def _look(self, now_s: float) -> bool:
        if not self._lost():
            self._position = ()
            return False
        position = self._stand()
        if position != self._position:
            self._position, self._since_s = position, now_s
        quiet_s = now_s - self._since_s
        if self.proof.knot or not self.ranks.processes.complete():
            return False
        # A proof comes first; but a process that holds Python's lock may never confirm that it stands.
        patience_s = self._patience_s() + (UNCONFIRMED_S if self.proof.candidate else 0.0)
        return quiet_s >= patience_s and (self._quiet() or (quiet_s >= SILENT_S and self._failed()))

    def _lost(self) -> bool:
        return self._failed() or self._left_out() or self._any_lost() or self._unfinalized()

    def _any_lost(self) -> bool:
        return any(self._is_lost(record) for _, record in self.ranks)

    def _is_lost(self, record: ProcessRecord) -> bool:
        """Whether a rank has failed. Who was ended by SIGTERM was so by somebody who knows, and who started a rank may
        expect its exit status.
        """
        failed = record.state.status in (Status.DEAD, Status.RAISED)
        if not failed or record.alive or record.exit_code == -signal.SIGTERM:
            return False
        started_by_us = record.pid == self.ranks.processes.commands[record.process[0]].pid
        expected = record.state.status is Status.DEAD and (record.exit_code or 0) > 0 and not started_by_us
        return not expected or any(one.alive and one.state.waits() for _, one in self.ranks)

    def _left_out(self) -> bool:
        """Whether a command has ended, of which no process ever joined, while ranks of the others wait."""
        table = self.ranks.processes
        joined = {record.process[0] for record in table.records.values() if record.rank is not None}
        left = any(c.exit_code is not None and number not in joined for number, c in table.commands.items())
        return left and any(record.alive and record.state.waits() for _, record in self.ranks)

    def _unfinalized(self) -> bool:
        """Whether all that are left have done all but finalize MPI, for a rank that has ended without it: none ever ends."""
        living = [record.state.entered for _, record in self.ranks if record.alive]
        gone = [record.state.entered for _, record in self.ranks if not record.alive]
        ends = [key for key, (_, name) in self.ranks.comms.kinds.items() if name == WORLDS_END]
        missed = any(all(one.get(key) for one in living) and any(one.get(key) == 0 for one in gone) for key in ends)
        return missed and bool(living) and all(record.leaving_s for _, record in self.ranks if record.alive)

    def _failed(self) -> bool:
        """Whether one of the commands that were launched has failed."""
        return any(command.exit_code for command in self.ranks.processes.commands.values())

    def _stand(self) -> tuple[object, ...]:
        """What changes with every event, and with every process that comes or goes."""
        table = self.ranks.processes
        events = sum(record.state.number for record in table.records.values())
        gone = sum(not record.alive for record in table.records.values())
        return events, gone, len(table.records), *((c.exit_code, c.alive) for c in table.commands.values())

    def _patience_s(self) -> float:
        if self.ranks.watchers() - self._recorded():
            return WATCHED_S
        finished = not self.ranks.others() and all(record.leaving_s for _, record in self.ranks if record.alive)
        if finished and (self._any_lost() or not self._unfinalized()):
            return self.ranks.settle_s + LEFT_S  # nothing of the program is left that could do anything about it
        return self.ranks.settle_s + BOUND_S if self._bound() else QUIET_S

    def _recorded(self) -> set[Process]:
        """Processes that are no ranks, since others have their numbers, and that wait in operations as ranks do."""
        records = self.ranks.processes.records.values()
        waiting = (one for one in records if one.rank is None and one.alive and one.state.waits() and not one.state.busy)
        return {(one.process[0], one.pid) for one in waiting}

    def _bound(self) -> bool:
        """Whether all that are left wait for peers, each in operations that nothing else ends."""
        waits = [record.state.waits() for _, record in self.ranks if record.alive]
        parts = [part for waiting in waits for _, wait in waiting for part in wait.parts or (wait,)]
        return all(waits) and all(part.need in PEERS for part in parts)

    def _quiet(self) -> bool:
        """Whether each process that lives waits, hardly computes, or has done all but end."""
        commands = self.ranks.processes.commands
        return all(self._waits(record) for _, record in self.ranks if record.alive) and all(
            pid in commands[number].idle for number, pid in self.ranks.others()
        )

    def _waits(self, record: ProcessRecord) -> bool:
        state = record.state
        waits = state.status is Status.RUNNING and not state.busy
        return waits or state.parked or bool(record.leaving_s) or record.pid in self._idle(record)

    def _idle(self, record: ProcessRecord) -> frozenset[int]:
        return self.ranks.processes.commands[record.process[0]].idle
