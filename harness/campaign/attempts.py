"""Attempts at a case: another one only when the machine, not the ranks, was the reason that nothing could be judged.

A hang, or whatever else was judged, is never tried again. Every attempt that judged nothing is kept in `attempt-N`, with
its evidence, and stands in the verdict of the case and in the reports.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lockstep.harness.campaign.evidence import STAYS, put_away
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report.evidence import attempts_in
from lockstep.harness.report.names import ATTEMPT, attempt_number
from lockstep.harness.vocabulary import Cause, Outcome

RETRIED = (Cause.LAUNCH, Cause.NODE_LOST)


def judged_attempt(folder: Path, retries: int, attempt: Callable[[], Verdict]) -> Verdict:
    """The verdict of the first attempt that judged something, or of the last that is allowed.

    What lies in the folder of a case that a killed run was at is put away first, and counts as no retry. Attempts of that
    run which were retried count, so that continuing a run gives no more of them.
    """
    if any(path.name not in STAYS and not path.name.startswith((".", ATTEMPT)) for path in folder.iterdir()):
        _put_away(folder, None)
    verdict = attempt()
    while may_retry(verdict.outcome.value, verdict.cause.value, folder, retries):
        _put_away(folder, verdict)
        verdict = attempt()
    return verdict


def may_retry(outcome: str, cause: str, folder: Path, retries: int) -> bool:
    """Whether a case with this verdict may be tried again."""
    # One that somebody interrupted was no attempt of ours.
    done = sum(attempt["cause"] in RETRIED for attempt in attempts_in(folder))
    return outcome == Outcome.INVALID.value and cause in RETRIED and done < retries


def _put_away(folder: Path, verdict: Verdict | None) -> None:
    numbers = [attempt_number(path.name) or 0 for path in folder.glob(f"{ATTEMPT}*")]
    put_away(folder, f"{ATTEMPT}{max(numbers, default=0) + 1}", verdict, (ATTEMPT,))
