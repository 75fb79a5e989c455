"""On what a verdict rests, and what it then is: the limits of time, and the judge's rules, of engines and of programs."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.engine_rules import EngineRules
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.program_rules import ProgramRules
from lockstep.harness.judge.situation import situation
from lockstep.harness.judge.snapshot import CaseSnapshot, Collected, Limit
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.scenario.case import Limits
from lockstep.harness.trace.wait import PROCESS
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.loss_watch import LossWatch
from lockstep.harness.watchdog.mismatch_watch import MismatchWatch
from lockstep.harness.watchdog.presence.membership import Membership
from lockstep.harness.watchdog.progress import Progress
from lockstep.harness.watchdog.proof import Proof
from lockstep.harness.watchdog.ranks.hidden_operations import hidden_entries
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks
from lockstep.harness.watchdog.ranks.rank_table import RankTable
from lockstep.harness.watchdog.sleep_watch import SleepWatch
from lockstep.harness.watchdog.snapshot import snapshot

LOOK_AGAIN_S = 0.5  # a thread that kept a knot from being proved may fall asleep without an event
STARVED_DEADLINES = 3.0  # so many more an engine gets at most, where its machine keeps it from running
LINGER_S = 3.0  # what ranks are given to end when the command that started them has ended


@dataclass(frozen=True, slots=True)
class VerdictBasis:
    """What a verdict rests on: a proved knot, a limit of time, or (neither) that everybody has ended."""

    knot: Sequence[Stuck] = ()  # with a limit: not proved to last for ever
    limit: Limit | None = None
    stopped_by: str = ""  # what asked for the end of the case, where that is the limit


class Judgement(ABC):
    """Judges one case. Times are of the watchdog's monotonic clock."""

    def __init__(self, limits: Limits, ranks: RankTable, proof: Proof, membership: Membership) -> None:
        self.limits = limits
        self.started_s = time.monotonic()
        self.proof = proof
        self._membership = membership
        self._ranks = ranks
        self._progress = Progress(0.0)
        self._judged: CaseSnapshot | None = None  # what the verdict was decided on
        self._loss = LossWatch(ranks, proof)

    def late(self, now: float) -> bool:
        """Whether the deadline is over."""
        return now - self.started_s > self.limits.deadline_s

    def to_ask(self, now: float) -> Sequence[int]:
        """Ranks that are to confirm that they stand, beside those of a knot, and in the same epoch."""
        return ()

    def abandoned(self, now: float) -> VerdictBasis | None:
        """The basis of a verdict when ranks that still run are not waited for any more."""
        return None

    def unsure(self, since_asked_s: float) -> bool:
        """Whether what kept a knot from being proved may have ended without an event."""
        return False

    def verdict(self, basis: VerdictBasis, now: float) -> Verdict:
        """The verdict on this basis. What is known stays as it is."""
        self._judged = self.snapshot(basis, now)
        return decide(self._judged)

    @property
    def by_limit(self) -> bool:
        """Whether the verdict was given at a limit, or over processes that are left when ranks have failed: who waits for
        them may still be there.
        """
        return self._judged is not None and (self._judged.limit is not None or bool(self._judged.knot_beside))

    def retold(self, verdict: Verdict, collected: Collected) -> Verdict:
        """The same verdict, in the words of all that was collected beside the events."""
        if self._judged is None or not self._retells(verdict):
            return verdict
        found = decide(replace(self._judged, collected=collected))
        if (found.outcome, found.cause) != (verdict.outcome, verdict.cause):
            return verdict  # something has gone on since
        failed = tuple(finding for finding in found.findings if "traceback" in finding.facts)
        if failed:  # then the words of the events alone are the better ones
            return replace(verdict, findings=(*verdict.findings, *failed))
        told = replace(verdict, knot_processes=found.knot_processes)
        return replace(told, text=found.text, blame=found.blame, signature=found.signature)

    def situation(self, collected: Collected) -> dict[str, Any]:
        """Where everybody stood when it was judged, as data; empty: nothing was judged."""
        return situation(replace(self._judged, collected=collected)) if self._judged is not None else {}

    def _retells(self, verdict: Verdict) -> bool:
        """Whether what was collected says more of it."""
        return verdict.cause is Cause.INTERRUPTED

    @abstractmethod
    def limit(self, now: float, behind: bool) -> VerdictBasis | None:
        """The basis of a verdict by time: unproved, and only where no proof was found. `behind`: there is more to read."""

    @abstractmethod
    def snapshot(self, basis: VerdictBasis, now: float) -> CaseSnapshot:
        """All that is known now, as the judge takes it. What is known stays as it is."""


class EngineJudgement(Judgement):
    """An engine reaches milestones: what turns in circles reaches none."""

    def late(self, now: float) -> bool:
        """Whether the deadline is over, less the time in which a rank wanted a processor and got none: else a busy machine
        would decide what a case comes to."""
        starved_s = max((command.starved_s for command in self._ranks.processes.commands.values()), default=0.0)
        return super().late(now - min(starved_s, STARVED_DEADLINES * self.limits.deadline_s))

    def limit(self, now: float, behind: bool) -> VerdictBasis | None:
        """By the window of a livelock, or the deadline."""
        states = self._ranks.states()
        self._progress.update(states, self._membership.registry.listened_s)
        if self.proof.first_proved_s is not None:
            return None
        if self._progress.livelock(states, self.limits.livelock_s):
            return VerdictBasis(limit=Limit.LIVELOCK)
        if not behind and self._loss.found(self._membership.registry.listened_s):
            return VerdictBasis(limit=Limit.LOST)
        late = not behind and self.late(now)  # what nobody has read yet may be a milestone
        return VerdictBasis(limit=Limit.DEADLINE) if late else None

    def snapshot(self, basis: VerdictBasis, now: float) -> CaseSnapshot:
        """By the rules for engines."""
        advancing = self._progress.advancing(self._membership.registry.listened_s, self.limits.livelock_s)
        known = (self._ranks, self.proof, basis.knot, basis.limit, advancing, self.started_s, now)
        seen = snapshot(EngineRules(), *known, self._membership.clocks.of)
        return replace(seen, stopped_by=basis.stopped_by) if basis.stopped_by else seen

    def _retells(self, verdict: Verdict) -> bool:
        """What a dead rank printed last, for which its peers may wait."""
        return verdict.outcome in (Outcome.CRASH, Outcome.HANG) or super()._retells(verdict)


class ProgramJudgement(Judgement):
    """A program has no milestones, starts and ends processes as it likes, and may do what is not seen."""

    def __init__(self, limits: Limits, ranks: ProgramRanks, proof: Proof, membership: Membership) -> None:
        super().__init__(limits, ranks, proof, membership)
        self._program = ranks
        self._mismatch = MismatchWatch(ranks, proof)
        self._sleep = SleepWatch(ranks, proof)
        self._hopeless_changed = False

    def to_ask(self, now: float) -> Sequence[int]:
        """Those that may have come to different operations."""
        known = self._program.hopeless
        asked = self._mismatch.look(now)
        self._hopeless_changed |= self._program.hopeless != known or self._sleep.answered()
        return asked or self._sleep.look(now)

    def abandoned(self, now: float) -> VerdictBasis | None:
        """The commands have ended, and have left ranks behind of which nothing is to be proved."""
        commands = self._ranks.processes.commands.values()
        complete = self._ranks.processes.complete()
        if not complete or any(c.exit_code is None or now - c.ended_s < LINGER_S for c in commands):
            return None
        if self.proof.pending():
            return None
        waits = any(record.alive and record.state.waits() for _, record in self._ranks)
        content = not any(command.exit_code for command in commands)
        return VerdictBasis(limit=Limit.DEADLINE if waits and content else None)

    def unsure(self, since_asked_s: float) -> bool:
        """A Python thread in no wait that is known may be in one by now; or waits that never end have been found."""
        changed, self._hopeless_changed = self._hopeless_changed, False
        return changed or (bool(self.proof.doubts) and since_asked_s > LOOK_AGAIN_S)

    def limit(self, now: float, behind: bool) -> VerdictBasis | None:
        """By the deadline, or when all have come, to different operations: without milestones nothing else is known."""
        self._progress.update_by_events(self._ranks.states(), self._membership.registry.listened_s)
        behind_or_overseen = behind or self._program.overseen()
        if not behind_or_overseen and (limit := self._mismatch.found(now)) is not None:
            return VerdictBasis(self._mismatch.knot if limit is Limit.TIMED else (), limit)
        if not behind and self._sleep.knot and not self.proof.pending():
            return VerdictBasis(self._sleep.knot, Limit.ASLEEP)
        if not behind and self._loss.found(self._membership.registry.listened_s):
            return VerdictBasis(limit=Limit.LOST)
        late = not behind and self.late(now)
        return VerdictBasis(limit=Limit.DEADLINE) if late and self.proof.first_proved_s is None else None

    def snapshot(self, basis: VerdictBasis, now: float) -> CaseSnapshot:
        """By the rules for programs."""
        window_s = min(self.limits.livelock_s, self.limits.deadline_s / 4)
        advancing = self._progress.advancing(self._membership.registry.listened_s, window_s)
        known = (self._ranks, self.proof, basis.knot, basis.limit, advancing, self.started_s, now)
        clocks, processes = self._membership.clocks, self._ranks.processes
        seen = snapshot(ProgramRules(), *known, clocks.of, self._program.claims.rank_of)
        for rank, record in self._ranks:
            seen.histories[rank].entries += hidden_entries(record)
        commands = [command.exit_code for _, command in sorted(processes.commands.items())]
        left = [text for _, command in sorted(processes.commands.items()) for text in command.left_behind]
        unseen = [*self._unseen(), *(self._doubts() if basis.limit else ())]
        if basis.limit is Limit.ASLEEP:
            unseen += self._program.assumed(basis.knot)
        failures = processes.failures(clocks.of)
        seen = replace(seen, roots=commands, unseen=unseen, failures=failures, left_behind=left)
        seen = self._with_sleepers(seen, basis.knot)
        return replace(seen, stopped_by=basis.stopped_by) if basis.stopped_by else seen

    def _with_sleepers(self, seen: CaseSnapshot, knot: Sequence[Stuck]) -> CaseSnapshot:
        """With the waits that threads sleep in outside of communicators, and with the processes that are no ranks."""
        sleepers = self._program.sleepers
        states = sleepers.states(seen.states)
        return replace(
            seen,
            asleep={rank: state for rank, state in states.items() if rank < PROCESS},
            knot=(ranked := [wait for wait in knot if wait.rank < PROCESS]),
            knot_beside=() if ranked else knot,
            knot_processes=[wait for wait in knot if wait.rank >= PROCESS],
            beside={node: state for node, state in states.items() if node >= PROCESS},
            programs=sleepers.programs,
            restless=sleepers.restless(),
            holders=sleepers.holders(),
        )

    def _retells(self, verdict: Verdict) -> bool:
        """The lines of ranks in no known wait, what the dead printed last, and what Flight Recorders tell."""
        return verdict.outcome is not Outcome.INVALID or super()._retells(verdict)

    def _unseen(self) -> list[str]:
        """What of the program could not be seen, in sentences."""
        found = [f"rank {rank}: {reason}" for rank, record in self._ranks for reason in record.state.opaque]
        found += self._program.claims.contested
        return found + [text for command in self._ranks.processes.commands.values() for text in command.unseen]

    def _doubts(self) -> list[str]:
        doubts = (*self.proof.doubts.items(), *self.proof.open_waits.items())
        return [f"rank {rank}: {doubt}" for rank, found in doubts if rank < PROCESS for doubt in found]
