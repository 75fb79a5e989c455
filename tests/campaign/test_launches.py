"""The launches of a case: their order, the verdict that counts, and where the evidence lies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lockstep.harness.campaign.evidence import put_away
from lockstep.harness.campaign.launches import run_launches
from lockstep.harness.judge.verdict import Finding, Verdict
from lockstep.harness.vocabulary import Cause, FindingKind, Outcome
from tests.watchdog.launch import case

GOOD = Verdict(Outcome.SUCCESS, text="All ranks finished.")
HUNG = Verdict(Outcome.HANG, Cause.DEADLOCK, "Rank 0 waits.")


def writing(folder: Path, verdicts: list[Verdict]) -> Callable[[int], Verdict]:
    """A launch that leaves evidence and keeps something for the next one."""

    def launch(number: int) -> Verdict:
        (folder / "rank-0.log").write_text(f"launch {number}")
        (folder / "stacks").mkdir(exist_ok=True)
        (folder / "state").mkdir(exist_ok=True)
        kept = folder / "state" / "kept"
        kept.write_text(f"{kept.read_text() if kept.exists() else ''}{number}")
        return verdicts[number - 1]

    return launch


def test_the_last_launch_counts_after_successes(tmp_path: Path) -> None:
    """The verdict is of the last launch and says so; each launch finds what the one before kept."""
    (tmp_path / "case.json").write_text("{}")
    verdict = run_launches(replace(case("x", 1), launches=3), tmp_path, writing(tmp_path, [GOOD, GOOD, HUNG]))
    assert (verdict.outcome, verdict.launch) == (Outcome.HANG, 3)
    assert verdict.text == "In launch 3 of 3: Rank 0 waits."
    assert (tmp_path / "state" / "kept").read_text() == "123"
    assert [(tmp_path / name / "rank-0.log").read_text() for name in ("launch-1", "launch-2", ".")] == [
        "launch 1", "launch 2", "launch 3",
    ]  # fmt: skip
    assert json.loads((tmp_path / "launch-1" / "verdict.json").read_text())["outcome"] == "success"
    assert (tmp_path / "case.json").exists()


def test_a_launch_that_is_no_clean_success_is_the_last(tmp_path: Path) -> None:
    """A hang ends the launches, and so does a success with a wrong result."""
    wrong = replace(GOOD, findings=(Finding(FindingKind.WRONG_RESULT, "wrong"),))
    for first in (HUNG, wrong):
        verdict = run_launches(replace(case("x", 1), launches=2), tmp_path, writing(tmp_path, [first, GOOD]))
        assert (verdict.outcome, verdict.launch) == (first.outcome, 1)
    assert not (tmp_path / "launch-1").exists()


def test_a_case_begins_with_nothing_kept(tmp_path: Path) -> None:
    """What an earlier run of the case kept in this folder is gone; one launch says nothing of its number."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "kept").write_text("old")
    assert run_launches(case("x", 1), tmp_path, writing(tmp_path, [GOOD])).text == GOOD.text
    assert (tmp_path / "state" / "kept").read_text() == "1"


def test_the_final_verdict_of_a_launch_is_put_away(tmp_path: Path) -> None:
    """The verdict that was written before the evidence was gathered gives way to the one with all findings."""
    (tmp_path / "verdict.json").write_text(json.dumps(GOOD.to_json()))
    found = replace(GOOD, findings=(Finding(FindingKind.LEAK, "a process"),))
    put_away(tmp_path, "launch-1", found, ())
    assert json.loads((tmp_path / "launch-1" / "verdict.json").read_text())["findings"][0]["kind"] == "leak"
    assert not (tmp_path / "verdict.json").exists()
