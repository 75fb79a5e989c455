"""The knots among the ranks of a program and the processes beside them, as the graph finds them. No sockets, no clock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from lockstep.harness.judge.graph import Hopeless, Stuck, stuck
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.trace.wait import PROCESS
from lockstep.harness.watchdog.ranks.absent_ranks import AbsentRanks
from lockstep.harness.watchdog.ranks.communicators import Communicators
from lockstep.harness.watchdog.ranks.process_table import Process, ProcessRecord, ProcessTable
from lockstep.harness.watchdog.ranks.sleepers import STORE, Sleepers

States = Mapping[int, RankState]


@dataclass(slots=True)
class Knots:
    """`closed`: the last one takes it for granted that nobody can come any more."""

    ranks: Mapping[int, ProcessRecord]
    processes: ProcessTable
    comms: Communicators
    absent: AbsentRanks
    sleepers: Sleepers
    closed: bool = False
    _of_last: set[int] = field(default_factory=set)

    def look(self, states: States, others: Collection[Process], hopeless: Hopeless) -> list[Stuck]:
        """The waits that can never end. When nobody is left who could start another process, who has not come never will.

        `others`: living processes that are no ranks.
        """
        found = self._find(self.sleepers.states(states), others, hopeless)
        if not self._counts(found, others):
            found = []
        self._of_last = {wait.rank for wait in found}
        return found

    def hold(self, states: States, others: Collection[Process], hopeless: Hopeless) -> bool:
        """Whether what the last knot took for granted is still so: who could come, and who could wake those that sleep."""
        closed, knot = self.closed, self._of_last
        found = {wait.rank for wait in self.look(states, others, hopeless)}
        self.closed, self._of_last = closed, knot
        return knot <= found and (not closed or not others)

    def at_rest(self, states: States, hopeless: Hopeless) -> set[int]:
        """Everybody who sleeps for nobody that could ever wake it, ranks or not."""
        found = stuck(self.sleepers.states(states), self.comms.members, False, hopeless, self.sleepers.holders())
        return {wait.rank for wait in found}

    def _find(self, states: States, others: Collection[Process], hopeless: Hopeless) -> list[Stuck]:
        holders = self.sleepers.holders()
        self.closed = False
        if self.processes.complete() and not others:
            absent = {rank: record.state for rank, record in self.absent.records().items()}
            found = stuck({**states, **absent}, self.comms.members, hopeless=hopeless, holders=holders)
            living = {rank for rank, one in self.ranks.items() if one.alive and one.state.status is Status.RUNNING}
            if living and living <= {wait.rank for wait in found}:
                self.closed = True
                return found
        return stuck(states, self.comms.members, closed=False, hopeless=hopeless, holders=holders)

    def _counts(self, knot: Sequence[Stuck], others: Collection[Process]) -> bool:
        """Whether a knot is one of the job: somebody of it communicates, or nobody is left who could end those that only
        sleep, as who starts processes may do when it needs them no more.
        """
        ranks = {wait.rank for wait in knot if wait.rank < PROCESS}
        if any(wait.rank in ranks and wait.wait.need is not Need.HOLDERS for wait in knot):
            return True
        if any(wait.wait.end.startswith(STORE) for wait in knot):
            return False  # it may serve others, whom nobody sees
        living = {rank for rank, record in self.ranks.items() if record.alive}
        beside = {self.sleepers.of_supervisor(number, pid) for number, pid in others}
        return bool(ranks) and living <= ranks and beside <= {wait.rank for wait in knot}
