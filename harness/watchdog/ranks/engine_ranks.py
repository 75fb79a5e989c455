"""The ranks of an engine: each is the one process of its supervisor, by whose number it goes. No sockets, no clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from lockstep.harness.judge.graph import Stuck, stuck
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.watchdog.ranks.command import Command
from lockstep.harness.watchdog.ranks.process_table import ENGINE, ProcessRecord
from lockstep.harness.watchdog.ranks.rank_table import SPAWNER_S, RankTable


class EngineRanks(RankTable):
    """All of them are known when all supervisors have said hello, and nobody else can come."""

    open = False

    def joined(self, number: int, host: str, pid: int) -> None:
        """A rank, with its ring, is there from the start."""
        self.processes.commands[number] = Command(host, pid)
        self._ranks[number] = self.processes.add((number, ENGINE), pid, RankState(number), number)

    def settled(self) -> bool:
        """Each has raised, returned, aborted or died."""
        ended = all(record.state.status is not Status.RUNNING for record in self._ranks.values())
        return ended and self.processes.complete()

    def knot(self) -> list[Stuck]:
        """A rank that has not reported yet counts as running."""
        return stuck(self.states(), self.comms.members)

    def questions(self, ranks: Sequence[int]) -> Mapping[tuple[int, ...], Collection[int]]:
        """Each rank's own supervisor, and nobody else."""
        return {(): ranks}

    def answered(self, epoch: int) -> bool:
        """There is nobody else."""
        return True

    def holds(self) -> bool:
        """Nothing was taken for granted."""
        return True

    def may_wake(self, knot: Sequence[Stuck], now_s: float) -> bool:
        """The sockets of a process close when it ends. One that is parked keeps them, as long as it lives."""
        return any(self._closes(record, now_s) for record in self._ranks.values())

    def _closes(self, record: ProcessRecord, now_s: float) -> bool:
        if record.state.status is Status.RUNNING or (record.state.parked and record.alive):
            return False
        # Who aborts has its launcher end all others.
        return record.alive or now_s - record.ended_s < (SPAWNER_S if record.state.aborting else self.settle_s)

    def everybody(self) -> Mapping[int, ProcessRecord]:
        """Nobody is absent."""
        return dict(self)
