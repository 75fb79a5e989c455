"""summary.md and the table on the terminal."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.judge.words import ranges
from harness.report.line import not_judged
from harness.report.markdown import LIMIT_BYTES, counts, render
from harness.report.table import PLAIN_WIDTH, show

from .samples import NAMES, case, hang, store, success

RUN = {"run": "20261124-131502-4f2a"}
PLAN = {"id": "a", "scenario": "a", "path": "scenarios/a.yaml", "slug": "a"}


def test_summary_of_a_run(tmp_path: Path) -> None:
    """Counts, a row for each case, and details with the rerun command for what is not as expected only."""
    run = store(tmp_path)
    run.record(case(NAMES[0]), hang(), False, ["outcome is hang, not success"], "lockstep run a -k 'b'", 2.5)
    run.record(case(NAMES[1]), success(), True, [], "lockstep run c", 1.5)
    text = (run.path / "summary.md").read_text()
    assert "3 cases: 1 as expected, 1 not as expected, 1 could not be judged." in text
    assert f"| `{NAMES[0]}` | hang (deadlock, proved) | **NO** | 3: generation_capture bs=32: none" in text
    assert f"| `{NAMES[1]}` | success | yes | - | 3.1 s |" in text
    assert f"| `{NAMES[2]}` | invalid (harness) | **not judged** | - | - |" in text
    assert "```\nlockstep run a -k 'b'\n```" in text
    assert "Blame: Rank 3 chose none for bs=32 in generation_capture" in text
    assert "lockstep run c" not in text


def test_summary_stays_below_a_mebibyte() -> None:
    """A run of very many bad cases is cut, and the summary says how many cases are missing where."""
    line = replace(not_judged(PLAN), text="ü" * 600, rerun="lockstep run a", blame_text="b" * 300)
    lines = [replace(line, case=f"case-{n}") for n in range(20_000)]
    text = render(RUN, lines)
    assert LIMIT_BYTES * 0.9 < len(text.encode()) < LIMIT_BYTES
    rows, details = text.count("\n| `case-"), text.count("\n### ")
    assert f"Cut here: {20_000 - rows} more cases." in text
    assert f"Cut here: the details of {20_000 - details} more cases." in text


@settings(max_examples=30)
@given(st.lists(st.text(), max_size=20), st.integers(3_000, 10_000))
def test_summary_keeps_any_limit(texts: list[str], limit: int) -> None:
    """The bound holds for every text."""
    lines = [replace(not_judged(PLAN), case=text, text=text * 50, rerun=text) for text in texts]
    assert len(render(RUN, lines, limit).encode("utf-8", "replace")) < limit


def test_text_does_not_break_the_table() -> None:
    """Pipes, newlines and backticks in names and messages stay inside their cell."""
    line = replace(not_judged(PLAN), case="a|b\n`c`[x]", cause="x|y")
    row = next(row for row in render(RUN, [line]).splitlines() if row.startswith("| a"))
    assert row.replace("\\|", "").count("|") == 6


def table(tmp_path: Path, names: tuple[str, ...] = NAMES) -> str:
    """The table of a sample run as a log file gets it."""
    run = store(tmp_path, names)
    run.record(case(names[0]), hang(), True, [], "again", 2.5)
    run.record(case(names[1]), success(), False, ["outcome is success"], "again", 1.5)
    out = io.StringIO()
    show(run.lines, out)
    return out.getvalue()


def test_table_without_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a log the table has no colour and one width, whatever the environment says."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = table(tmp_path)
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= PLAIN_WIDTH
    for words in (
        "deadlock, proved",
        "rank 3: generation_capture bs=32:",
        "0.21 s",
        "NOT AS EXPECTED",
        "NOT JUDGED",
    ):
        assert words in text


def test_table_keeps_long_names_whole(tmp_path: Path) -> None:
    """A name longer than its column is folded: all of it can be read."""
    long = "scenario-" + "x" * 150 + "[guards.generation_capture=none]"
    rows = table(tmp_path, (long, "b", "c")).splitlines()
    start = next(n for n, row in enumerate(rows) if row.lstrip().startswith("scenario-"))
    end = next(n for n, row in enumerate(rows) if row.split()[:1] == ["b"])
    width = rows[start].index(" hang")
    assert "".join(row[:width].strip() for row in rows[start:end]) == long


def test_counts_and_ranges() -> None:
    """Few words for how a run went and for many ranks."""
    assert counts([not_judged(PLAN)]) == "1 case: 0 as expected, 0 not as expected, 1 could not be judged."
    assert ranges([5, 0, 2, 1, 2]) == "0-2,5"
    assert ranges([7]) == "7"
    assert ranges([]) == ""


def test_table_in_a_small_encoding(tmp_path: Path) -> None:
    """A log that can hold ASCII only gets the table, not an error."""
    path = tmp_path / "log"
    with path.open("w", encoding="ascii") as file:
        show([replace(not_judged(PLAN), text="größer")], file)
    assert "gr??er" in path.read_text("ascii")
