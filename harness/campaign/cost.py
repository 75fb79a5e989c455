"""What a case will likely take, in seconds: what it took in an earlier run, else a guess from its ranks and limits. Pure.

Every shard of a run comes to the same figures, as long as each is given the same earlier run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from lockstep.harness.scenario.case import Case
from lockstep.harness.vocabulary import Cause, Outcome

START_S, RANK_S = 4.0, 1.5  # a launch, and each of its ranks; the scale of a guess does not matter, its proportions do


def costs(cases: Sequence[Case], recorded: Mapping[str, float]) -> dict[str, float]:
    """Seconds of each case, by id. A guess is scaled by what the cases with a record really took."""
    guesses = {case.id: guess(case) for case in cases}
    ratios = [seconds / guesses[ident] for ident, seconds in recorded.items() if ident in guesses and seconds > 0]
    scale = median(ratios) if ratios else 1.0
    return {ident: _recorded(recorded, ident) or seconds * scale for ident, seconds in guesses.items()}


def guess(case: Case) -> float:
    """From ranks, launches, delays, and the limit that a case waits for when no proof is expected of it."""
    waits = 0.0
    if case.expect.outcome == Outcome.SLOW.value or case.expect.cause == Cause.STALL.value:
        waits = case.limits.deadline_s
    elif case.expect.cause == Cause.LIVELOCK.value:
        waits = case.limits.livelock_s
    delays = sum(float(fault.get("seconds") or 0.0) for fault in case.spec.get("faults", ()))
    return (START_S + RANK_S * case.ranks) * case.launches + min(delays, case.limits.deadline_s) + waits


def _recorded(recorded: Mapping[str, float], ident: str) -> float:
    return max(0.0, recorded.get(ident, 0.0))
