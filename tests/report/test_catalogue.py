"""The catalogue page is made from the scenario files, says all of them, and the one in docs/ is current."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lockstep.harness.commands.catalogue import not_modelled
from lockstep.harness.report.catalogue import render
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.scenario.load import load_all
from lockstep.harness.vocabulary import MECHANISMS, Mechanism

ROOT = Path(__file__).parents[2]
CASES = load_all([ROOT / "scenarios"])
WITHOUT = not_modelled(ROOT / "docs" / "not-modelled.yaml")
PAGE = render(CASES, WITHOUT)


def test_page_is_current() -> None:
    """docs/catalogue.md is what `lockstep catalogue` prints."""
    assert (ROOT / "docs" / "catalogue.md").read_text("utf-8") == PAGE, "run: lockstep catalogue > docs/catalogue.md"


def test_every_class_is_described() -> None:
    """Every class has its sentence, and reports without a scenario name no other."""
    assert list(MECHANISMS) == list(Mechanism)
    assert {one.mechanism_class for one in WITHOUT} <= {one.value for one in Mechanism}


def test_every_scenario_with_a_class_has_its_cases() -> None:
    """A heading and a command for each scenario, and a row for each of its cases; controls have none."""
    rows = Counter(line.startswith(("| `", "| - |")) for line in PAGE.splitlines())
    assert rows[True] == sum(bool(case.mechanism_class) for case in CASES)
    for name in {case.scenario for case in CASES if case.mechanism_class}:
        assert f"\n### {name}\n" in PAGE
        assert f"\nlockstep run {name}\n" in PAGE
    assert "### slow-rank\n" not in PAGE


def test_a_report_is_modelled_or_not() -> None:
    """No report is both on the list of those that are not modelled and in a scenario, nor there twice."""
    modelled = {report for case in CASES for report in case.reports}
    listed = [one.report for one in WITHOUT]
    assert not modelled & set(listed)
    assert len(set(listed)) == len(listed)
    assert all(one.reason for one in WITHOUT)


def test_a_scenario_with_reports_has_a_class() -> None:
    """And every scenario but the controls and the findings names the reports that it reproduces."""
    for case in CASES:
        assert bool(case.mechanism_class) == bool(case.reports) or "finding" in case.tags, case.id


@pytest.mark.parametrize(
    "text", ["- report: a", "report: a", "a: [", "- {report: 1, mechanism_class: x, source: y, reason: z}"]
)
def test_a_bad_list_is_refused(text: str, tmp_path: Path) -> None:
    """With the file's name and what it should hold."""
    path = tmp_path / "list.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=r"list.yaml: not a list of report, mechanism_class, source and reason"):
        not_modelled(path)
