"""The double-checked snapshot: a candidate knot becomes a proof only if none of its ranks moved while it was checked.

The states of different ranks are read at different times. They held together if every rank of the knot, asked again
after the last of those reads, has still written no event since. Ranks outside the knot may move as they like: the
knot's waits do not depend on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.judge.graph import Stuck
from harness.trace.state import Status
from harness.watch.members import Members

SETTLE_S = 1.0  # how long others may still join a proved knot


@dataclass(slots=True)
class Proof:
    """Turns the stream of states into a proved knot."""

    members: Members
    epoch: int = 0
    candidate: list[Stuck] = field(default_factory=list)
    positions: dict[int, tuple[object, ...]] = field(default_factory=dict)  # where the candidate's ranks stood
    first_proved_s: float | None = None
    judged: int = 0  # snapshots judged
    judged_moving: int = 0  # ... while some rank was alive and moving
    refuted: int = 0  # candidates that did not hold
    proved: int = 0  # candidates that did
    doubts: dict[int, tuple[str, ...]] = field(default_factory=dict)  # why the last candidate says nothing, by rank
    withdrawn: int = 0  # proved knots that moved after all: the events do not tell all that the ranks do

    def look(self) -> list[int]:
        """Judge the present states. The ranks to ask again, in epoch `self.epoch`; none: there is no knot."""
        states = self.members.states()
        self.judged += 1
        self.judged_moving += any(state.runs for state in states.values())
        self.candidate = self.members.knot()
        self.positions = {s.rank: states[s.rank].position for s in self.candidate}
        self.epoch += 1
        return list(self.positions)

    def pending(self) -> bool:
        """Whether a candidate awaits confirmation."""
        return bool(self.candidate)

    def refute(self) -> None:
        """The candidate did not hold."""
        self.refuted += 1
        self.withdrawn += self.first_proved_s is not None
        self.candidate = []
        self.first_proved_s = None

    def confirm(self, now_s: float) -> list[Stuck] | None:
        """The proved knot; None while answers are missing, after a refutation, or while others may still join."""
        if not self.candidate:
            return None
        if any(self.members[rank].state.position != position for rank, position in self.positions.items()):
            self.refute()
            return None
        if any(self.members[rank].confirmed != self.epoch for rank in self.positions) or not self.members.answered(
            self.epoch
        ):
            return None
        self.doubts = {rank: self.members[rank].doubts for rank in self.positions if self.members[rank].doubts}
        if self.doubts or not self.members.holds():
            self.candidate = []
            self.first_proved_s = None
            return None
        if self.members.may_wake(self.candidate, now_s):
            return None
        if self.first_proved_s is None:
            self.first_proved_s = now_s
            self.proved += 1
        return self.candidate

    def quiet(self) -> bool:
        """Whether every rank is in the knot or has ended: nobody can join it any more."""
        return self.members.complete() and all(
            rank in self.positions or member.state.status is not Status.RUNNING for rank, member in self.members
        )
