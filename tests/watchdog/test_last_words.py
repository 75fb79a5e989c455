"""An engine's rank that ends before it could say anything: its last words are told, and what cannot start is said once."""

from __future__ import annotations

import sys
from pathlib import Path

from lockstep.harness.campaign.attempts import may_retry
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.discovery import find
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.session import CaseSession
from lockstep.harness.watchdog.targets import EngineTarget
from tests.watchdog.launch import case


def judged(argv: list[str], folder: Path) -> Verdict:
    """The verdict on two ranks of this command."""
    return CaseSession(EngineTarget(case("words", 2), argv), find(), folder).watch()


def test_what_a_dead_rank_printed_is_quoted(tmp_path: Path) -> None:
    """Why an engine died stands in its verdict, not in a log alone."""
    verdict = judged([sys.executable, "-c", "import nowhere_at_all"], tmp_path)
    assert (verdict.outcome, verdict.cause) == (Outcome.CRASH, Cause.ABORT), verdict.text
    assert "exit status 1" in verdict.text
    assert "ModuleNotFoundError: No module named 'nowhere_at_all'\"" in verdict.text


def test_a_program_that_is_not_there_is_not_tried_again(tmp_path: Path) -> None:
    """It is named, it is no verdict on any rank, and another launch would end the same."""
    verdict = judged(["/nowhere/engine"], tmp_path)
    assert (verdict.outcome, verdict.cause) == (Outcome.INVALID, Cause.SCENARIO), verdict.text
    assert "/nowhere/engine: No such file or directory" in verdict.text
    assert not may_retry(verdict.outcome.value, verdict.cause.value, tmp_path, retries=3)
