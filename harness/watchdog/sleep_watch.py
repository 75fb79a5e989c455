"""Looks around among processes that stand still, when nobody of a program has moved for some seconds: who sleeps in what.

What is found is taken into the graph of waits, so that the proof finds who waits for whom outside of communicators too. It
costs nothing before. Where only somebody unseen could act, all that stood still at two looks is a verdict without a proof.
No sockets, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lockstep.harness.judge.graph import Stuck
from lockstep.harness.trace.state import Status
from lockstep.harness.trace.wait import PROCESS
from lockstep.harness.watchdog.proof import Proof
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks

QUIET_S = 3.0  # nobody has moved for so long
AGAIN_S = (1.0, 4.0, 10.0, 30.0)  # between looks at one state of things; then as the last
ANSWERS_S = 10.0  # a process that has not answered by then may be stopped


@dataclass(slots=True)
class SleepWatch:
    """Follows who moves, and has all asked when nobody does. Times are seconds of one monotonic clock."""

    ranks: ProgramRanks
    proof: Proof
    _marks: object = None
    _since_s: float = 0.0
    _due_s: float = 0.0
    _looks: int = 0
    _epoch: int = -1  # in which answers are awaited; -1: none are
    _asked: list[int] = field(default_factory=list)
    _stood: Mapping[int, object] = field(default_factory=dict)  # where those of a knot stood that is no proof
    knot: Sequence[Stuck] = ()  # such a one, that stood there at two looks

    def look(self, now_s: float) -> list[int]:
        """The ranks to ask now, in the proof's epoch."""
        if self.proof.pending():
            return []
        marks = self._moves()
        if marks != self._marks:
            self._marks, self._since_s, self._looks, self._epoch, self._due_s = marks, now_s, 0, -1, now_s + QUIET_S
            self.ranks.looks_around = False
            self.ranks.sleepers.beside.clear()  # what they slept in was before that
            self._stood, self.knot = {}, ()
        asked = [rank for rank, one in self.ranks if one.alive and one.state.status is Status.RUNNING]
        asked = asked or [self.ranks.sleepers.of_supervisor(number, pid) for number, pid in self.ranks.others()]
        if now_s < self._due_s or not asked or not self.ranks.processes.complete():
            return []
        self.ranks.looks_around = True
        self.proof.epoch += 1
        self._epoch, self._asked = self.proof.epoch, asked
        self._due_s = now_s + AGAIN_S[min(self._looks, len(AGAIN_S) - 1)]
        self._looks += 1
        return asked

    def answered(self) -> bool:
        """Whether all have answered since the last call that was told so: there may be a knot that was not seen before."""
        asked = [rank for rank in self._asked if rank < PROCESS]
        if self._epoch < 0 or any(self.ranks[rank].confirmed < self._epoch for rank in asked):
            return False
        if not self.ranks.sleepers.looked(self._epoch):
            return False
        self._epoch = -1
        found = self.ranks.assumed_knot()
        stands = {wait.rank: self.ranks[wait.rank].position for wait in found}
        self.knot = found if stands and stands == self._stood else ()
        self._stood = stands
        return True

    def _moves(self) -> object:
        """What is another when somebody has moved."""
        records = self.ranks.processes.records.values()
        commands = self.ranks.processes.commands.values()
        return sum(record.state.number for record in records), len(records), tuple((c.exit_code, c.alive) for c in commands)
