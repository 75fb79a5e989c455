"""Repetitions of a case as one result: what is flaky, waived, stale, expired, not run; and how reports show it."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report import junit, markdown, table
from lockstep.harness.report.exit_code import exit_code
from lockstep.harness.report.line import Line
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.result import GREEN, Result, results
from lockstep.harness.report.store import RunStore
from lockstep.harness.vocabulary import Cause, Outcome

from .samples import ENVIRONMENT, case, hang, success

WAIVE: dict[str, Any] = {
    "owner": "jane", "reason": "known", "link": "https://x/1", "expires": "2026-12-31", "kind": "always",
    "meanwhile": {"outcome": "hang", "cause": "deadlock"},
}  # fmt: skip
LOST = Verdict(Outcome.INVALID, Cause.NODE_LOST, "A node fell silent.")
RAISED = Verdict(Outcome.RAISE, Cause.ALL_RANKS, "All raised.")
GOOD, KNOWN, OTHER, BROKEN, LEFT = "good", "known", "other", "broken", "left"
VERDICTS = {GOOD: success(), KNOWN: hang(), OTHER: RAISED, BROKEN: LOST}


def store(root: Path, kinds: list[str], waive: str | None = None, planted: bool = False) -> RunStore:
    """A run of one case that expects success, with what came of each of its repetitions."""
    terms = None if waive is None else {**WAIVE, "kind": waive}
    plan = [PlannedCase(case("a"), number, planted, terms) for number in range(1, len(kinds) + 1)]
    run = RunStore.create(root, None, [], ENVIRONMENT, plan)
    for number, kind in enumerate(kinds, 1):
        if kind == LEFT:
            run.leave_out(case("a"), number, "no budget")
        else:
            differs = [] if kind == GOOD else ["outcome: expected success"]
            run.record(CaseRecord(case("a"), VERDICTS[kind], not differs, differs, "again", 1.0, number))
    return run


def result(root: Path, kinds: list[str], waive: str | None = None) -> Result:
    """What came of it."""
    (found,) = results(store(root, kinds, waive).lines)
    return found


@pytest.mark.parametrize(
    ("kinds", "waive", "standing", "code", "note"),
    [
        ([GOOD], None, "expected", 0, ""),
        ([OTHER], None, "unexpected", 1, ""),
        ([BROKEN], None, "invalid", 3, ""),
        ([LEFT], None, "not-run", 5, ""),
        ([GOOD, GOOD], None, "expected", 0, "2 clean launches would have missed a fault that shows in 77.6 % of launches"),
        ([GOOD, GOOD, OTHER], None, "flaky", 1, "not as expected in 1 of 3 (33.3 %, 95 % interval 6.1 % to 79.2 %)"),
        ([OTHER, OTHER], None, "unexpected", 1, "not as expected in 2 of 2"),
        ([GOOD, BROKEN], None, "invalid", 1, "1 not judged"),
        ([GOOD, LEFT], None, "not-run", 5, "1 not run"),
        ([GOOD, OTHER, LEFT], None, "flaky", 1, "1 not run"),
        ([KNOWN], "always", "waived", 0, "waived until 2026-12-31, jane: known (https://x/1)"),
        ([KNOWN, KNOWN], "always", "waived", 0, "not as expected in 2 of 2"),
        ([OTHER], "always", "unexpected", 1, "waived until"),
        ([GOOD], "always", "unexpected", 1, "its waive is stale"),
        ([KNOWN], "expired", "unexpected", 1, "its waive has expired"),
        ([GOOD], "expired", "unexpected", 1, "its waive has expired"),
        ([GOOD, KNOWN], "always", "flaky", 1, "waived until"),
        ([GOOD, KNOWN], "flaky", "waived", 0, "not as expected in 1 of 2"),
        ([GOOD, OTHER], "flaky", "flaky", 1, ""),
        ([GOOD], "flaky", "expected", 0, "waived until"),
        ([BROKEN], "always", "invalid", 3, ""),
        ([KNOWN, BROKEN], "always", "invalid", 1, ""),
    ],
)  # fmt: skip
def test_standing(kinds: list[str], waive: str | None, standing: str, code: int, note: str, tmp_path: Path) -> None:
    """Each mix of repetitions, with and without a waive: how the case stands, the exit code, and what is said."""
    run = store(tmp_path, kinds, waive)
    (found,) = results(run.lines)
    assert found.standing == standing
    assert exit_code(run.lines) == code
    assert note in found.note
    assert RunStore.open(run.path).lines == run.lines  # also from the disk


@given(st.lists(st.sampled_from(["expected", "unexpected", "waived", "invalid", "not-run"]), min_size=1, max_size=9))
def test_a_mixed_result_is_never_green(standings: list[str]) -> None:
    """Whatever the mix: without a waive only a result of nothing but expected verdicts is green."""
    lines = [line(standing, number) for number, standing in enumerate(standings, 1)]
    (found,) = results(lines)
    if set(standings) not in ({"expected"}, {"waived"}):
        assert found.standing not in GREEN
        assert exit_code(lines) != 0
    assert found.line.standing in ("unexpected", "waived") or found.standing != "flaky"


def line(standing: str, repetition: int) -> Line:
    """A line that stands so."""
    outcome = {"invalid": "invalid", "not-run": "not run"}.get(standing, "raise")
    blank: dict[str, Any] = dict.fromkeys(Line.__dataclass_fields__, "")
    blank |= {"case": "a", "outcome": outcome, "ok": standing == "expected", "waived": standing == "waived"}
    blank |= {"proved": None, "seconds": 1.0, "repetition": repetition, "planted": False, "attempts": 1}
    return Line(**blank)


def test_flaky_in_junit(tmp_path: Path) -> None:
    """A flaky case is one failed test with its rate, and a `flakyFailure` for each repetition that failed."""
    run = store(tmp_path, [GOOD, OTHER, GOOD, KNOWN])
    root = ET.parse(run.path / "junit.xml").getroot()
    (found,) = root.iter("testcase")
    assert [child.tag for child in found] == ["properties", "failure", "flakyFailure", "flakyFailure", "system-out"]
    assert found.find("failure").get("type") == "flaky"  # type: ignore[union-attr]
    assert "2 of 4 (50 %" in str(found.find("failure").get("message"))  # type: ignore[union-attr]
    assert [str(one.get("message"))[:12] for one in found.iter("flakyFailure")] == ["repetition 2", "repetition 4"]
    values = {one.get("name"): one.get("value") for one in found.iter("property")}
    assert (values["repetitions"], values["failed"], values["failure-rate"]) == ("4", "2", "0.5000")
    assert (root[0].get("tests"), root[0].get("failures"), found.get("time")) == ("1", "1", "4.0")


@pytest.mark.parametrize(
    ("kinds", "waive", "tag", "words"),
    [
        ([KNOWN], "always", "skipped", "jane: known"),
        ([LEFT], None, "skipped", "no budget"),
        ([GOOD], "always", "failure", "stale"),
        ([KNOWN], "expired", "failure", "expired"),
    ],
)  # fmt: skip
def test_waived_and_not_run_in_reports(kinds: list[str], waive: str | None, tag: str, words: str, tmp_path: Path) -> None:
    """JUnit, Markdown and the table say what is waived, stale, expired or not run, and why."""
    run = store(tmp_path, kinds, waive)
    (found,) = ET.parse(run.path / "junit.xml").getroot().iter(tag)
    assert words in str(found.get("message"))
    assert words in markdown.render(run.run, run.lines)
    shown = io.StringIO()
    table.show(run.lines, shown)
    assert words in " ".join(shown.getvalue().split())


@pytest.mark.parametrize("kind", [OTHER, BROKEN, LEFT])
def test_planted_hang_that_was_missed(kind: str, tmp_path: Path) -> None:
    """It makes the run red with its own sentence and exit code, however it was missed, and a failure in JUnit."""
    run = store(tmp_path, [GOOD, kind], planted=True)
    assert exit_code(run.lines) == 4
    assert "PLANTED DEADLOCK NOT DETECTED: a" in markdown.render(run.run, run.lines)
    (found,) = ET.fromstring(junit.render(run.run, run.lines).split("\n", 1)[1]).iter("failure")
    assert str(found.get("message")).startswith("PLANTED DEADLOCK NOT DETECTED")
    shown = io.StringIO()
    table.show(run.lines, shown)
    assert "Nothing else that this run says can be relied on" in " ".join(shown.getvalue().split())


def test_planted_hang_that_was_found(tmp_path: Path) -> None:
    """Nothing is said of it."""
    run = store(tmp_path, [GOOD], planted=True)
    assert exit_code(run.lines) == 0
    assert "PLANTED" not in (run.path / "summary.md").read_text()


def test_counts_name_every_case_once(tmp_path: Path) -> None:
    """The sentence counts cases, not repetitions."""
    lines = store(tmp_path, [GOOD, OTHER]).lines
    lines += [replace(line("not-run", 1), case="b"), replace(line("waived", 1), case="c")]
    assert Counter(found.standing for found in results(lines)).total() == 3
    wanted = "3 cases: 0 as expected, 0 not as expected, 0 could not be judged, 1 flaky, 1 waived, 1 not run."
    assert markdown.counts(lines) == wanted
