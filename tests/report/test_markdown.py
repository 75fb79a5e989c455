"""summary.md and the table on the terminal."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.judge.words import ranges
from lockstep.harness.report.line import NOT_RUN, not_judged
from lockstep.harness.report.markdown import HEAD, LIMIT_BYTES, counts, render
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.table import show, table_rows
from lockstep.harness.report.width import PLAIN

from .samples import NAMES, case, hang, store, success

RUN = {"run": "20261124-131502-4f2a"}
PLAN = {"id": "a", "scenario": "a", "path": "scenarios/a.yaml", "slug": "a"}


def test_summary_of_a_run(tmp_path: Path) -> None:
    """Counts, a row for each case, and details with the rerun command for what is not as expected only."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), False, ["outcome is hang, not success"], "lockstep run a -k 'b'", 2.5))
    run.record(CaseRecord(case(NAMES[1]), success(), True, [], "lockstep run c", 1.5))
    text = (run.path / "summary.md").read_text()
    assert "3 cases: 1 as expected, 1 not as expected, 1 could not be judged." in text
    assert f"| `{NAMES[0]}` | hang (deadlock, proved) | **NO** | rank 3: generation_capture bs=32: left-out" in text
    assert f"| `{NAMES[1]}` | success | yes | - | 3.1 s |" in text
    assert f"| `{NAMES[2]}` | invalid (harness) | **not judged** | - | - |" in text
    assert "```\nlockstep run a -k 'b'\n```" in text
    assert "Blame: Rank 3 left out bs=32 in generation_capture" in text
    assert "lockstep run c" not in text
    (folder,) = re.findall(r"Evidence: \[`.*`\]\((.*)\)", text)
    assert (run.path / folder).is_dir() or run.case_dir(case(NAMES[0])) == run.path / folder
    made = text.partition("## How it was made\n\n")[2]
    assert "- command: `lockstep run scenarios`\n" in made
    assert "- Python: `3.12.1`\n" in made


def test_how_it_was_made_goes_first_where_there_is_no_room() -> None:
    """What needs to be known of cases is worth more."""
    run = {**RUN, "argv": ["lockstep", "run", "x" * 3900], "started": "2026-11-24T13:15:02+00:00"}
    lines = [not_judged({**PLAN, "id": f"case-{number}"}) for number in range(40)]
    assert "How it was made" not in render(run, lines, 4096)
    assert "How it was made" in render(run, lines, 1 << 16)


def test_summary_stays_below_a_mebibyte() -> None:
    """A run of very many bad cases is cut, and the summary says how many cases are missing where."""
    line = replace(not_judged(PLAN), text="ü" * 600, rerun="lockstep run a", blame_text="b" * 300)
    lines = [replace(line, case=f"case-{n}") for n in range(20_000)]
    text = render(RUN, lines)
    assert LIMIT_BYTES * 0.9 < len(text.encode()) < LIMIT_BYTES
    rows, details = text.count("\n| `case-"), text.count("\n### ")
    assert f"Cut here: {20_000 - rows} more cases." in text
    assert f"Cut here: the details of {20_000 - details} more cases." in text


KINDS = {"success": True, "hang": False, "invalid": False, NOT_RUN: False}
CASES = st.lists(st.tuples(st.text(), st.sampled_from(sorted(KINDS)), st.integers(0, 400), st.booleans()), max_size=40)


@settings(max_examples=60, deadline=None)
@given(CASES, st.integers(0, 200), st.integers(4_096, 100_000))
def test_any_run_within_any_limit(given: list[tuple[str, str, int, bool]], times: int, limit: int) -> None:
    """Whatever cases are called and say, and however many there are: below the limit in bytes, the gravest first, rows and
    details whole, and as many cases said to be cut as are missing."""
    lines = [
        replace(
            not_judged(PLAN), case=f"{text}#{n}", outcome=kind, ok=KINDS[kind], text=text * length, blame_text=text,
            finding_texts="\n".join([text] * length), rerun=text, differences=text, planted=planted and kind == "hang",
        )
        for n, (text, kind, length, planted) in enumerate(given * (1 + times))
    ]  # fmt: skip
    raw = render(RUN, lines, limit).encode("utf-8", "replace")
    assert len(raw) < limit
    head, rest = raw.decode().split(f"\n{HEAD}")
    assert counts(lines) in head
    table, _, after = rest.partition("\n\n")
    rows = table.splitlines() if table else []
    for row in rows:
        assert re.fullmatch(r"\| .*#\d+\S* \| .* \| .* \| .* \| \S+( s)? \|", row), row
    order = ["**NO**", "**flaky**", "**not judged**", "**not run**", "yes", "waived"]
    standings = [order.index(cells(row)[2]) for row in rows]
    assert standings == sorted(standings)
    assert said(r"Cut here: (\d+) more cases\.", after) == len(lines) - len(rows)
    wrong = [line for line in lines if line.standing != "expected"]
    details = len(re.findall(r"^### ", head, re.MULTILINE))
    assert said(r"Cut here: the details of (\d+) more cases\.", head) == len(wrong) - details
    missed = sum(line.planted for line in lines)
    assert head.startswith(f"# Run {RUN['run']}\n\n**PLANTED") == bool(missed)


def cells(row: str) -> list[str]:
    """The cells of a table's row, with what was escaped."""
    return [text.strip() for text in re.split(r"(?<!\\)(?:\\\\)*\|", row)[1:-1]]


def said(pattern: str, text: str) -> int:
    """The last number that the text tells in these words; 0 where it tells none."""
    return int((["0", *re.findall(f"^{pattern}", text, re.MULTILINE)])[-1])


def test_text_does_not_break_the_table() -> None:
    """Pipes, newlines and backticks in names and messages stay inside their cell."""
    line = replace(not_judged(PLAN), case="a|b\n`c`[x]", cause="x|y")
    row = next(row for row in render(RUN, [line]).splitlines() if row.startswith("| a"))
    assert row.replace("\\|", "").count("|") == 6


def table(tmp_path: Path, names: tuple[str, ...] = NAMES) -> str:
    """The table of a sample run as a log file gets it."""
    run = store(tmp_path, names)
    run.record(CaseRecord(case(names[0]), hang(), True, [], "again", 2.5))
    run.record(CaseRecord(case(names[1]), success(), False, ["outcome is success"], "again", 1.5))
    out = io.StringIO()
    show(run.lines, out)
    return out.getvalue()


def test_table_without_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a log the table has no colour and 80 columns, or as many as COLUMNS says."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("COLUMNS", raising=False)
    text = table(tmp_path / "plain")
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= PLAIN
    for words in (
        f" ok  {NAMES[0]}\n     hang (deadlock, proved) after 0.21 s\n",
        "     rank 3: generation_capture bs=32: left-out (free_blocks=24\n     needed_blocks=32)\n",
        f" NOT AS EXPECTED {NAMES[1]}\n     success after 3.1 s\n",
        f" NOT JUDGED {NAMES[2]}  invalid (harness)\n",
    ):
        assert words in text
    monkeypatch.setenv("COLUMNS", "100")
    assert f" NOT AS EXPECTED {NAMES[1]}  success after 3.1 s\n" in table(tmp_path / "wide")


def test_table_keeps_long_names_whole(tmp_path: Path) -> None:
    """A name longer than a row stands whole in one, so that a log can be searched for it."""
    long = "scenario-" + "x" * 150 + "[guards.generation_capture=none]"
    assert long in map(str.strip, table(tmp_path, (long, "b", "c")).splitlines())


def test_the_table_in_40_columns(tmp_path: Path) -> None:
    """How each case stands comes first and is never cut, also on a narrow terminal."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), False, ["outcome is hang"], "again", 2.5))
    rows = [row.plain for row in table_rows(run.lines, 40)]
    assert rows[1:5] == [" NOT AS EXPECTED", NAMES[0], "     hang (deadlock, proved) after 0.21", "     s"]
    assert [row for row in rows if len(row) > 40] == [NAMES[0], NAMES[1]]


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
