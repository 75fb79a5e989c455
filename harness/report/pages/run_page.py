"""The page of a run: what is not as expected first, then every case as a grid, to be filtered without a script."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockstep.harness.report.facts import facts
from lockstep.harness.report.files import read_object
from lockstep.harness.report.line import Line
from lockstep.harness.report.markdown import counts
from lockstep.harness.report.pages.rendering import render
from lockstep.harness.report.result import GREEN, STANDINGS, Result, results, undetected_text

SIGNS = {"expected": "✓", "unexpected": "✗", "flaky": "±", "invalid": "?", "not-run": "○", "waived": "≈"}
WORDS = {
    "expected": "as expected",
    "unexpected": "not as expected",
    "flaky": "flaky",
    "invalid": "not judged",
    "not-run": "not run",
    "waived": "waived",
}
DETAILS = 100  # cases that are told in full


@dataclass(frozen=True, slots=True)
class Choice:
    """One value to filter by. `ident`: of its button, and the class of its cases."""

    ident: str
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Filter:
    """What one may filter by: one value at a time, or all."""

    name: str
    ident: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A case in the grid."""

    result: Result
    link: str  # to its page; empty: it has none
    point: str
    sign: str
    classes: str


@dataclass(frozen=True, slots=True)
class Row:
    """A scenario."""

    scenario: str
    kind: str
    cells: tuple[Cell, ...]


def run_page(path: Path, run: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """Of the run in this folder, from its run.json and the lines of its reports."""
    found = sorted(results(lines), key=lambda result: STANDINGS.index(result.standing))
    tags = {result.case: _tags(path, result.line) for result in found}
    filters = _filters(found, tags)
    cells = {result.case: _cell(path, result, filters, tags[result.case]) for result in found}
    wrong = [cells[result.case] for result in found if result.standing not in GREEN]
    return render(
        "run.html",
        rules=_rules(filters),
        run=run,
        counts=counts(lines),
        missed=undetected_text(found),
        wrong=wrong[:DETAILS],
        more_wrong=max(0, len(wrong) - DETAILS),
        words=WORDS,
        signs=[(sign, WORDS[name], name) for name, sign in SIGNS.items() if any(one.standing == name for one in found)],
        filters=filters,
        rows=_rows(results(lines), cells),
        facts=facts(run, lines),
        total=len(found),
    )


def _tags(path: Path, line: Line) -> tuple[str, ...]:
    """The tags of a case, and the folder that its scenario lies in, which names the engine or library."""
    try:
        raw = read_object(path / "cases" / line.slug / "case.json")
        tags = [str(tag) for tag in raw.get("tags") or ()]
    except (OSError, ValueError, AttributeError, TypeError):
        tags = []
    return tuple(dict.fromkeys([*tags, *([Path(line.path).parent.name] if line.path else [])]))


def _filters(found: Sequence[Result], tags: Mapping[str, Sequence[str]]) -> list[Filter]:
    values = {
        "outcome": Counter(result.line.outcome for result in found),
        "standing": Counter(WORDS[result.standing] for result in found),
        "class": Counter(result.line.mechanism_class for result in found if result.line.mechanism_class),
        "tag": Counter(tag for result in found for tag in tags[result.case] if tag),
    }
    return [
        Filter(name, f"f{at}", tuple(Choice(f"f{at}-{n}", value, count[value]) for n, value in enumerate(sorted(count))))
        for at, (name, count) in enumerate(values.items())
        if len(count) > 1
    ]


def _rules(filters: Sequence[Filter]) -> str:
    """What is not chosen is not shown. Identifiers are numbers of ours: no value stands in the style sheet."""
    return "".join(
        f"body:has(#{choice.ident}:checked) .case:not(.{choice.ident}){{display:none}}"
        for one in filters
        for choice in one.choices
    )


def _cell(path: Path, result: Result, filters: Sequence[Filter], tags: Sequence[str]) -> Cell:
    line = result.line
    values = {
        "outcome": (line.outcome,),
        "standing": (WORDS[result.standing],),
        "class": (line.mechanism_class,),
        "tag": tags,
    }
    idents = [choice.ident for one in filters for choice in one.choices if choice.name in values[one.name]]
    link = f"cases/{line.slug}/report.html" if (path / "cases" / line.slug / "report.html").is_file() else ""
    point = line.case.removeprefix(line.scenario).strip("[]").replace("guards.", "") or "the scenario"
    return Cell(result, link, point, SIGNS[result.standing], " ".join(("case", f"s-{result.standing}", *idents)))


def _rows(found: Sequence[Result], cells: Mapping[str, Cell]) -> list[Row]:
    by_scenario: dict[str, list[Cell]] = {}
    for result in found:
        by_scenario.setdefault(result.line.scenario, []).append(cells[result.case])
    return [Row(name, made[0].result.line.mechanism_class, tuple(made)) for name, made in by_scenario.items()]
