"""The launches of a case: one after another, on what the earlier ones left; all but the last must be a clean success."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lockstep.harness.campaign.evidence import put_away
from lockstep.harness.channel.bootstrap import STATE_FOLDER
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report.names import ATTEMPT
from lockstep.harness.scenario.case import Case
from lockstep.harness.vocabulary import FindingKind, Outcome

Launch = Callable[[int], Verdict]  # the number of a launch, from 1, to its verdict
UNCLEAN = (FindingKind.WRONG_RESULT, FindingKind.LEAK)


def run_launches(case: Case, folder: Path, launch: Launch) -> Verdict:
    """The verdict of the first launch that was no clean success, or of the last.

    Its evidence lies in `folder`, that of the launch N before it in `launch-N`. What the ranks keep between launches is in
    `state`; a case begins with an empty one.
    """
    shutil.rmtree(folder / STATE_FOLDER, ignore_errors=True)
    number = 1
    verdict = launch(number)
    while number < case.launches and _clean(verdict):
        put_away(folder, f"launch-{number}", replace(verdict, launch=number), (STATE_FOLDER, "launch-", ATTEMPT))
        number += 1
        verdict = launch(number)
    return of_launch(case, number, verdict)


def of_launch(case: Case, number: int, verdict: Verdict) -> Verdict:
    """The verdict of a case, by that of the launch after which there was none."""
    if case.launches == 1:
        return verdict
    return replace(verdict, launch=number, text=f"In launch {number} of {case.launches}: {verdict.text}")


def _clean(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.SUCCESS and not any(finding.kind in UNCLEAN for finding in verdict.findings)
