"""The figures of a suite: what counts as right, and what as wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.suite.figures import Counts, figures
from benchmarks.suite.report import report
from benchmarks.suite.result import Result, append, read
from benchmarks.suite.table import CORRECT, Program, SuiteError


def program(
    name: str, category: str = CORRECT, deadlock: bool | None = None, lines: frozenset[int] = frozenset()
) -> Program:
    """A program of a suite."""
    return Program(name, None, ("x",), 2, (), category, deadlock, frozenset(), lines)


def result(name: str, outcome: str, proved: bool = False, lines: tuple[int, ...] = ()) -> Result:
    """What was said of it."""
    return Result(name, name, outcome, proved=proved, lines=lines, answer_s=0.5 if outcome == "hang" else None)


PAIRS = [
    (program("right"), result("right", "success")),
    (program("alarm"), result("alarm", "hang", proved=True)),
    (program("found", "race", True, frozenset({7})), result("found", "hang", proved=True, lines=(7, 8))),
    (program("unproved", "race", True, frozenset({7})), result("unproved", "hang", lines=(9,))),
    (program("raised", "race", False), result("raised", "raise")),
    (program("ended", "race", False), result("ended", "hang")),
    (program("missed", "leak"), result("missed", "success")),
    (program("lost", "leak"), result("lost", "time-out")),
]


def test_each_program_counts_once() -> None:
    """By category and outcome; what was not judged is in the matrix and in no figure."""
    found = figures(PAIRS)
    assert found.matrix[CORRECT] == {"success": 1, "hang proved": 1}
    assert found.matrix["leak"] == {"success": 1, "not judged": 1}
    assert found.verdicts == found.told == Counts(tp=4, fp=1, tn=1, fn=1)
    assert found.deadlocks == Counts(tp=2, fp=2, tn=2, fn=0)
    assert (found.proved, found.blame) == ((1, 2), (1, 2))
    assert (found.false_hangs, found.false_alarms, found.missed) == (["alarm", "ended"], ["alarm"], ["missed"])


def test_the_report_names_what_was_wrong() -> None:
    """Beside the published figures."""
    text = "\n".join(report(figures(PAIRS)))
    assert "MUST 1.7 (published)" in text
    assert "0.847" in text
    assert "false hangs: 2\n  alarm\n  ended" in text
    assert "deadlocks proved: 1/2 (0.500)" in text


def test_nothing_judged_is_no_figure() -> None:
    """A share of nothing is a dash."""
    assert "recall" in "\n".join(report(figures(PAIRS[-1:])))


def test_results_survive_an_end_in_the_middle(tmp_path: Path) -> None:
    """A line that was cut off is written anew; a file of something else is a mistake."""
    file = tmp_path / "results.jsonl"
    append(file, result("a", "success"))
    file.write_bytes(file.read_bytes() + b'{"name": "b')
    assert set(read(file)) == {"a"}
    append(file, result("c", "hang", lines=(3,)))
    assert read(file) == {"a": result("a", "success"), "c": result("c", "hang", lines=(3,))}
    file.write_text("name\n")
    with pytest.raises(SuiteError, match=r"results\.jsonl:1: not a result"):
        read(file)
