"""The double-checked snapshot: a candidate knot becomes a proof only if none of its ranks moved while it was checked.

The states of different ranks are read at different times. They held together if every rank of the knot, asked again
after the last of those reads, has still written no event since. Ranks outside the knot may move as they like: the
knot's waits do not depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lockstep.harness.judge.graph import Stuck
from lockstep.harness.trace.state import Status
from lockstep.harness.watchdog.ranks.rank_table import RankTable

ASK_FIRST = 64  # ranks of a large candidate
SETTLE_S = 1.0  # how long others may still join a proved knot


@dataclass(slots=True)
class Proof:
    """Turns the stream of states into a proved knot."""

    ranks: RankTable
    epoch: int = 0
    candidate: list[Stuck] = field(default_factory=list)
    positions: dict[int, tuple[object, ...]] = field(default_factory=dict)  # where the candidate's ranks stood
    knot: list[Stuck] = field(default_factory=list)  # the last that was proved
    _proved_at: dict[int, tuple[object, ...]] = field(default_factory=dict)  # where its ranks stood
    first_proved_s: float | None = None
    judged: int = 0  # snapshots judged
    judged_moving: int = 0  # ... while some rank was alive and moving
    refuted: int = 0  # candidates that did not hold
    proved: int = 0  # candidates that did
    doubts: dict[int, tuple[str, ...]] = field(default_factory=dict)  # why the last candidate says nothing, by rank
    open_waits: dict[int, tuple[str, ...]] = field(default_factory=dict)  # ... or in what they wait for who may yet come
    unasked: set[int] = field(default_factory=set)  # ranks of the candidate that were not asked yet
    _asked: list[int] = field(default_factory=list)
    withdrawn: int = 0  # proved knots that moved after all: the events do not tell all that the ranks do

    def look(self) -> list[int]:
        """Judge the present states. The ranks to ask again, in epoch `self.epoch`; none: there is no knot.

        Of thousands of ranks some are asked first: where the states did not hold together, most likely one of them moved.
        """
        states = self.ranks.states()
        self.judged += 1
        self.judged_moving += any(state.runs for state in states.values())
        self.candidate = self.ranks.knot()
        self.positions = {s.rank: self.ranks[s.rank].position for s in self.candidate}
        self.epoch += 1
        knotted = list(self.positions)
        self._asked = knotted if len(knotted) <= ASK_FIRST else knotted[:: len(knotted) // ASK_FIRST]
        self.unasked = set(knotted).difference(self._asked)
        return self._asked

    def standing(self) -> bool:
        """Whether those who were asked have answered, and have not moved."""
        asked = (self.ranks[rank] for rank in self._asked)
        return bool(self.candidate) and all(
            one.confirmed == self.epoch and one.position == self.positions[rank]
            for rank, one in zip(self._asked, asked, strict=True)
        )

    def ask_rest(self) -> list[int]:
        """The ranks of the candidate that were not asked yet."""
        rest = sorted(self.unasked)
        self.unasked = set()
        return rest

    def pending(self) -> bool:
        """Whether a candidate awaits confirmation, or a knot is proved."""
        return bool(self.candidate or self.knot)

    def confirm(self, now_s: float) -> list[Stuck] | None:
        """The knot that is proved, as of the last candidate that held; None when there is none, or it may yet be woken."""
        if any(self.ranks[rank].state.stepped_since(position) for rank, position in self._proved_at.items()):
            self.withdrawn += 1
            self._forget()
        elif self._moved_or_ended():
            self._forget()  # somebody from outside ends the job, which is no step of a rank
        if self.candidate:
            self._check(now_s)
        return self.knot if self.knot and not self.ranks.may_wake(self.knot, now_s) else None

    def _check(self, now_s: float) -> None:
        """Prove the candidate if everybody has answered, and forget it if somebody has moved."""
        if self._moved(self.positions):
            self.open_waits = self._elsewhere()
            self.refuted += 1
            self._drop()
            return
        if any(self.ranks[rank].confirmed != self.epoch for rank in self.positions):
            return
        if not self.ranks.answered(self.epoch):
            return
        self.doubts = {rank: self.ranks[rank].doubts for rank in self.positions if self.ranks[rank].doubts}
        self.open_waits = {}
        if self.doubts or not self.ranks.holds():
            self.open_waits = self._elsewhere()
            self._forget()
        elif not self.ranks.may_wake(self.candidate, now_s):
            if self.first_proved_s is None:
                self.first_proved_s = now_s
                self.proved += 1
            self.knot, self._proved_at = self.candidate, {rank: self.ranks[rank].state.position for rank in self.positions}
            self._drop()

    def _elsewhere(self) -> dict[int, tuple[str, ...]]:
        return {rank: self.ranks[rank].open_waits for rank in self.positions if self.ranks[rank].open_waits}

    def _moved_or_ended(self) -> bool:
        return any(self.ranks[rank].state.position != position for rank, position in self._proved_at.items())

    def _moved(self, positions: Mapping[int, tuple[object, ...]]) -> bool:
        return any(self.ranks[rank].position != position for rank, position in positions.items())

    def _drop(self) -> None:
        """There is no candidate any more. What was proved before stands: it does not depend on who might have joined."""
        self.candidate = []
        self.positions = {}
        self.unasked = set()

    def _forget(self) -> None:
        """Nothing is proved any more."""
        self._drop()
        self.knot, self._proved_at = [], {}
        self.first_proved_s = None

    def quiet(self) -> bool:
        """Whether every rank is in the proved knot or has ended: nobody can join it any more."""
        return self.ranks.processes.complete() and all(
            rank in self._proved_at or record.state.status is not Status.RUNNING for rank, record in self.ranks
        )
