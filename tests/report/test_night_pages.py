"""The pages of many nights and of a bisection."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.cli import main
from lockstep.harness.report.history import history_frame, update
from lockstep.harness.report.pages.history_page import history_page
from lockstep.harness.report.pages.make import HISTORY_PAGE, PAGE, make_bisection_page, make_history_page
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore

from .page_samples import Page, is_safe
from .samples import ENVIRONMENT, NAMES, case, hang, success

REPORT: dict[str, Any] = {
    "schema": "lockstep.bisection-report/1", "repository": "/r", "case": "two[x]", "find": "bad", "good": "a" * 40,
    "bad": "c" * 40, "wanted": "6ac1bdfafd21", "kind": "commit", "found": ["b" * 40], "probability": 0.997,
    "confidence": 0.95, "text": "bbbbbbbbbbbb Skip <what> is short is the first bad commit, probability 0.997.",
    "details": ["Author: A <a@b>", "", " warm_up.py | 3 +++"], "suspects": 2, "launches": 5, "rate": 1.0, "rate_low": 0.4,
    "rate_high": 1.0, "missed": ["The hang showed in 3 of 3 launches."], "outside": 0.001, "noun": "commit",
    "commits": [
        {"commit": "a" * 40, "subject": "", "number": 0, "end": "good", "hangs": 0, "clean": 2, "skipped": "",
         "probability": 0.0, "verdicts": []},
        {"commit": "b" * 40, "subject": "Skip <what> is short", "number": 1, "end": "", "hangs": 3, "clean": 0,
         "skipped": "", "probability": 0.997,
         "verdicts": [{"words": "hang (deadlock)", "file": "launches/0001/verdict.json"}]},
        {"commit": "c" * 40, "subject": "x", "number": 2, "end": "bad", "hangs": 1, "clean": 0, "skipped": "no build",
         "probability": 0.002, "verdicts": []},
    ],
}  # fmt: skip


def night(root: Path, name: str, hangs: int) -> RunStore:
    """A run of three cases, of which the first so many are not as expected."""
    store = RunStore.create(root, name, ["lockstep", "run"], ENVIRONMENT, [case(one) for one in NAMES])
    for at, one in enumerate(NAMES):
        verdict = replace(hang() if at < hangs else success(), start_to_verdict_s=2.0 + at)
        store.record(CaseRecord(case(one), verdict, at >= hangs, ["differs"] * (at < hangs), "", 3.0))
    return store


def test_cases_against_nights(tmp_path: Path) -> None:
    """What was wrong in the newest night comes first; each case has a place a night, its rate and its times."""
    for name, hangs in (("n1", 0), ("n2", 2), ("n3", 1)):
        night(tmp_path, name, hangs)
    frame = history_frame(update(tmp_path))
    made = make_history_page(tmp_path, frame)
    assert made == tmp_path / HISTORY_PAGE
    page = Page(made.read_text())
    is_safe(page)
    assert "1 of 3 cases were not as expected when they last ran." in page.text
    assert page.text.index(NAMES[0]) < page.text.index(NAMES[1]) < page.text.index(NAMES[2])
    for words in ("2 of 3 (20.8 % to 93.9 %)", "1 of 3", "0 of 3", "2.0 s (2.0 s)", "4.0 s (4.0 s)"):
        assert words in page.text, words
    places = [value for tag, name, value in page.attributes if (tag, name) == ("td", "class")]
    wrong, fine = "s-unexpected", "s-expected"
    assert places == [wrong, wrong, fine, fine, wrong, fine, fine, fine, fine]  # the newest night first


def test_a_case_that_was_not_run_stands_as_it_last_did(tmp_path: Path) -> None:
    """A night that had no time for a case says nothing of it."""
    night(tmp_path, "n1", 1)
    night(tmp_path, "n2", 0)
    night(tmp_path, "n3", 1)
    frame = history_frame(update(tmp_path))
    frame.loc[(frame.run == "n3") & (frame.case == NAMES[0]), "standing"] = "not-run"
    assert "0 of 3 cases were not as expected when they last ran." in Page(history_page(tmp_path, frame)).text


def test_more_runs_than_are_shown(tmp_path: Path) -> None:
    """Only the last runs count, for places and for rates alike."""
    for at in range(4):
        night(tmp_path, f"n{at}", 3 if at == 0 else 0)
    page = Page(history_page(tmp_path, history_frame(update(tmp_path)), runs=3))
    assert "0 of 3 cases were not as expected" in page.text
    assert "3 of" not in page.text.replace("0 of 3", "")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`lockstep history` makes the page, also where there is no run yet."""
    assert main(["history", "--reports", str(tmp_path)]) == 0
    assert (tmp_path / HISTORY_PAGE).is_file()
    assert capsys.readouterr().err == ""


def test_a_bisection(tmp_path: Path) -> None:
    """What was found, who made it, and a bar a commit, all as texts."""
    assert make_bisection_page(tmp_path, REPORT) == tmp_path / PAGE
    page = Page((tmp_path / PAGE).read_text())
    is_safe(page)
    for words in (
        "Skip <what> is short is the first bad commit",
        "Author: A <a@b>",
        "0.9970",
        "good end",
        "skipped: no build",
    ):
        assert words in page.text, words
    assert page.tags.count("svg") == 4
    assert "launches/0001/verdict.json" in page.links()


@pytest.mark.parametrize(
    "missing", sorted(set(REPORT) - {"schema", "repository", "find", "kind", "probability", "confidence"})
)
def test_a_report_of_another_version(missing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A report that lacks something never costs the bisection: at most its page."""
    made = make_bisection_page(tmp_path, {key: value for key, value in REPORT.items() if key != missing})
    assert (made is None) == ("no page of the bisection" in capsys.readouterr().err)
