"""Looks for ranks that have all come, to different operations, or all send, or wait for each other until a library ends
it, when nobody has moved for some seconds.

What is found tells the proof which waits never end; and where the library is not known well enough for that, it is a verdict
of its own, without a deadline. No sockets, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.history import Entry
from lockstep.harness.judge.limits import until_limit
from lockstep.harness.judge.mismatch import Mismatch, Place, hopeless, libraries, mismatches, recent, standing
from lockstep.harness.judge.snapshot import Limit
from lockstep.harness.judge.unbuffered import unbuffered
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.watchdog.proof import Proof
from lockstep.harness.watchdog.ranks.hidden_operations import hidden_entries
from lockstep.harness.watchdog.ranks.process_table import ProcessRecord
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks

QUIET_S = 3.0  # nobody of a communicator has moved for so long
AGAIN_S = 5.0  # ... and is asked again, since C++ issues operations without an event
GRACE_S = 1.5  # what stands without any proof stands for so long
DOUBTS_S = 5.0  # ... and as what keeps it from being given: a thread may fall asleep meanwhile
PROOF_S = 30.0  # what a proof that is due is given, on a machine that is busy with other things
EACH_S = 0.2  # between two looks


@dataclass(slots=True)
class MismatchWatch:
    """Follows who moves, asks those that do not whether they still stand there, and compares what they have entered."""

    ranks: ProgramRanks
    proof: Proof
    knot: list[Stuck] = field(default_factory=list)  # of waits that a library will end, when that was found
    _moved: dict[int, tuple[tuple[object, ...], float]] = field(default_factory=dict)  # rank -> position, since when
    _asked: dict[int, tuple[object, ...]] = field(default_factory=dict)  # where those stood who were asked
    _epoch: int = -1
    _due_s: float = 0.0
    _standing: Limit | None = None
    _stood: dict[int, tuple[object, ...]] = field(default_factory=dict)  # where everybody stood then
    _since_s: float = 0.0
    _judged: int = 0  # snapshots that the proof had judged then

    def look(self, now_s: float) -> list[int]:
        """The ranks to ask now, in the proof's epoch."""
        if now_s < self._due_s or self.proof.candidate or self.proof.knot:
            return []
        self._due_s = now_s + EACH_S
        for rank, one in self.ranks:
            if self._moved.get(rank, ((), 0.0))[0] != one.state.position:
                self._moved[rank] = (one.state.position, now_s)
        if self._asked and self._still():
            if not self._answered():
                return []
            self._judge(now_s)
        self._asked = {}
        if any(self._moved[rank][0] != position for rank, position in self._stood.items()):
            self._standing, self._stood = None, {}
        quiet = sorted({r for comm in self._waited_in() if self._quiet(comm, now_s) for r in self.ranks.comms.members[comm]})
        if not quiet:
            return []
        self.proof.epoch += 1
        self._epoch = self.proof.epoch
        self._asked = {rank: self.ranks[rank].state.position for rank in quiet}
        self._due_s = now_s + (EACH_S if self._standing is None else GRACE_S)
        return quiet

    def found(self, now_s: float) -> Limit | None:
        """What has stood for so long that a proof would have been found, had there been one."""
        if self._standing is None or self.proof.pending():
            return None
        stood_s = now_s - self._since_s
        if self.ranks.hopeless:
            # Here a proof is due: only what it was refused for, or that it does not come at all, leaves the rule.
            tried = (
                self.proof.judged > self._judged and bool(self.proof.doubts or self.proof.open_waits) and stood_s >= DOUBTS_S
            )
            return self._standing if tried or stood_s >= PROOF_S else None
        return self._standing if stood_s >= GRACE_S else None

    def _waited_in(self) -> set[str]:
        return {wait.comm for _, one in self.ranks for _, wait in one.state.waits() if wait.comm}

    def _quiet(self, comm: str, now_s: float) -> bool:
        """Whether all members are there, alive and known, and none has moved for a while. One may have returned."""
        group = self.ranks.comms.members.get(comm, ())
        return bool(group) and all(
            rank in self._moved
            and now_s - self._moved[rank][1] >= QUIET_S
            and self.ranks[rank].state.status in (Status.RUNNING, Status.RETURNED)
            and self.ranks[rank].alive
            for rank in group
        )

    def _still(self) -> bool:
        return all(self._moved[rank][0] == position for rank, position in self._asked.items())

    def _answered(self) -> bool:
        return all(self.ranks[rank].confirmed >= self._epoch for rank in self._asked)

    def _judge(self, now_s: float) -> None:
        states = self.ranks.states()
        entered = {rank: self._entered(self.ranks[rank]) for rank in self._asked}
        found = mismatches(states, entered, self.ranks.comms.members)
        versions = {rank: libraries(one.records, one.text) for rank, one in self.ranks if rank in self._asked}
        hosts = {rank: one.host for rank, one in self.ranks}
        self.ranks.hopeless = hopeless(states, found, self.ranks.comms.members, versions, hosts)
        inside = [rank for rank in self._asked if hidden_entries(self.ranks[rank])]
        now_found = self._limit(states, found, inside)
        if now_found is not None and self._standing is not now_found:
            self._since_s, self._judged = now_s, self.proof.judged
        self._standing, self._stood = now_found, dict(self._asked) if now_found else {}
        self._due_s = now_s + AGAIN_S

    def _limit(self, states: Mapping[int, RankState], found: Sequence[Mismatch], inside: Sequence[int]) -> Limit | None:
        if standing(found, states, inside) is not None:
            return Limit.MISMATCH
        if not {rank for rank, one in self.ranks if one.alive} <= set(self._asked):
            return None
        self.knot = until_limit(states, self.ranks.comms.members)
        asked = [self.ranks[rank] for rank in self._asked]
        if self.knot and not any(one.doubts or one.open_waits for one in asked):
            return Limit.TIMED
        return Limit.UNBUFFERED if unbuffered(states, self.ranks.comms.members) else None

    def _entered(self, one: ProcessRecord) -> Mapping[Place, Entry]:
        found = recent(one.records, one.text, one.state.comms)
        return found | {(entry.comm, entry.seq): entry for entry in hidden_entries(one)}
