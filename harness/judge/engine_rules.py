"""How a case of an engine is judged: its ranks write down what they decide, and no failure brings others with it. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from lockstep.harness.judge import clock, words
from lockstep.harness.judge.circles import in_circles
from lockstep.harness.judge.clock import Time
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.judge.history import Entry
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.verdict import Blame, RankEnd, WaitLine, cause_of_status
from lockstep.harness.trace.state import Status
from lockstep.harness.vocabulary import Cause, Outcome


class EngineRules:
    """The rules for ranks that import the recorder."""

    decisions_logged = True

    def classify(self, case: CaseSnapshot) -> tuple[Outcome, Cause]:
        """A death comes before all else: nothing that a rank raises after it says more."""
        dead = _first_death(case)
        if dead is not None:
            return Outcome.CRASH, _death_cause(case, dead)
        if any(state.device_lost for state in case.states.values()):
            return Outcome.CRASH, Cause.DEVICE_ERROR
        statuses = [state.status for state in case.states.values()]
        if Status.RAISED in statuses:
            every = all(status is Status.RAISED for status in statuses)
            return Outcome.RAISE, Cause.ALL_RANKS if every else Cause.SOME_RANKS
        return Outcome.SUCCESS, Cause.NONE

    def overdue(self, case: CaseSnapshot) -> tuple[Outcome, Cause]:
        """Slow as long as milestones are reached."""
        return (Outcome.SLOW, Cause.NONE) if case.advancing else (Outcome.HANG, Cause.STALL)

    def token(self, entry: Entry) -> Hashable:
        """Operation, phase and shape."""
        return entry.token

    def blame(self, case: CaseSnapshot, outcome: Outcome, cause: Cause) -> Blame | None:
        """By its decisions, as `blame` does."""
        return None

    def first_waits(self, case: CaseSnapshot, waits: Sequence[Stuck]) -> Sequence[Stuck]:
        """Those that wait for each other, of which none came first; else the first in time, or several where the clocks of
        their hosts cannot tell.

        By time, one fault would have a signature by who happened to be there sooner, and another one in the next launch.
        """
        if circle := in_circles(waits):
            return circle
        since = {number: Time(s.wait.since_ns, case.histories[s.rank].clock) for number, s in enumerate(waits)}
        return [waits[number] for number in clock.first(since)]

    def first_failures(self, case: CaseSnapshot, ranks: Sequence[int]) -> Sequence[int]:
        """All: peers are held back, so that no failure is the consequence of another."""
        return ranks

    def with_same_error(self, case: CaseSnapshot, ranks: Sequence[int], first: int) -> Sequence[int]:
        """All of them: nothing but the same cause reaches a rank whose peers are held back."""
        return ranks

    def signature_ends(self, blame: Blame | None, ends: Sequence[RankEnd]) -> Sequence[RankEnd]:
        """All: no failure is the consequence of another."""
        return ends

    def verdict_text(
        self,
        case: CaseSnapshot,
        outcome: Outcome,
        cause: Cause,
        knot: Sequence[WaitLine],
        blame: Blame | None,
        ends: Sequence[RankEnd],
    ) -> str:
        """The words of an engine."""
        return words.verdict_text(outcome, cause, knot, blame, ends)


def _first_death(case: CaseSnapshot) -> int | None:
    """The rank that aborted, or else the one whose process died first; None when all ended by themselves.

    Of two on different hosts, where the clocks cannot tell, the lower one.
    """
    for rank, state in sorted(case.states.items()):
        if state.status is Status.ABORTED:
            return rank
    dead = [rank for rank, state in case.states.items() if state.status is Status.DEAD]
    return next(iter(clock.first({rank: case.died(rank) for rank in dead})), None)


def _death_cause(case: CaseSnapshot, rank: int) -> Cause:
    """Why a rank's process died."""
    process = case.processes[rank]
    if process.oom_killed:
        return Cause.OOM_KILL
    return Cause.ABORT if case.states[rank].status is Status.ABORTED else cause_of_status(process.exit_code)
