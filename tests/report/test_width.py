"""Tables in any number of columns: nothing is wider, no word is broken, and nothing is lost."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from lockstep.harness.campaign.compare import Change, Comparison
from lockstep.harness.commands import compare, history
from lockstep.harness.report.history import rates
from lockstep.harness.report.line import not_judged
from lockstep.harness.report.table import table_rows
from lockstep.harness.report.width import columns, entry, middle_cut, wrapped
from lockstep.harness.terminal import clean

WIDTHS = st.integers(40, 200)
NAMES = st.one_of(st.text(max_size=120), st.from_regex(r"[a-z-]{1,60}(\[[a-z_.=]{1,60}\])?", fullmatch=True))
DAYS = st.dates().map(str)
LINE = not_judged({"id": "a", "scenario": "a", "path": "scenarios/a.yaml", "slug": "a"})


def plain(text: str) -> str:
    """As it is printed, on one row."""
    return " ".join(clean(text).split())


def fits(rows: list[str], width: int, *names: str) -> None:
    """Holds that every row has its room, or is one word or name that has none."""
    for row in rows:
        assert cell_len(row) <= width or " " not in row.strip() or row.strip() in names, (row, width)


@given(st.text(), WIDTHS, st.integers(0, 8), st.integers(0, 8))
def test_words_stay_whole(text: str, width: int, indent: int, more: int) -> None:
    """All words, in their order, in as few rows as there is room for."""
    rows = wrapped(text, width, indent, more)
    assert [word for row in rows for word in row.split()] == text.split()
    fits(rows, width)
    for one, other in pairwise(rows):
        assert cell_len(f"{one} {other.split()[0]}") > width


@given(NAMES, WIDTHS)
def test_a_name_is_cut_in_its_middle(name: str, cells: int) -> None:
    """What has room is left as it is; else both its ends are there, and no more cells than there are."""
    cut = middle_cut(name, cells)
    assert cell_len(cut) <= cells
    first, dots, last = cut.rpartition("...") if cut != name else (name, "", "")
    assert name.startswith(first)
    assert name.endswith(last)
    assert cut == name or dots
    if cut != name and name.isascii():
        assert (len(cut), abs(len(first) - len(last)) <= 1) == (cells, True)


@given(NAMES.map(plain), st.text(max_size=200).map(plain), WIDTHS)
def test_a_name_stands_whole(name: str, text: str, width: int) -> None:
    """In one row, with its mark and its text if there is room."""
    rows = entry("WORSE ", name, text, width, 6, ": ")
    assert any(name in row for row in rows)
    fits(rows, width, name, f"WORSE {name}")
    assert (len(rows) == 1) == (
        cell_len(f"WORSE {name}: {text}") <= width or (not text and cell_len(f"WORSE {name}") <= width)
    )


LINES = st.lists(
    st.builds(
        lambda case, outcome, text, ranks, ok: replace(
            LINE, case=case, outcome=outcome, text=text, blame_ranks=ranks, blame_words=text, ok=ok, start_to_verdict_s=3.5
        ),
        NAMES, st.sampled_from(["hang", "success", "invalid", "not run"]), st.text(max_size=200),
        st.sampled_from(["", "3", "0-2"]), st.booleans(),
    ),
    max_size=6,
)  # fmt: skip


@given(LINES, WIDTHS)
def test_the_table_of_a_run(lines: list, width: int) -> None:  # type: ignore[type-arg]
    """Whatever its cases are called and say: each name whole, with outcome, time and blame, and nothing wider."""
    rows = [row.plain for row in table_rows(lines, width)]
    names = {plain(line.case) for line in lines}
    fits([re.sub(r"^ (ok|waived|FLAKY .*?%|NOT [A-Z ]+?) +(?=\S)", "", row) for row in rows], width, *names)
    told = " ".join(" ".join(rows).split())
    for line in {line.case: line for line in reversed(lines)}.values():
        assert plain(line.case) in told
    if len(lines) == 1 and lines[0].blame_ranks:
        assert " ".join(f"{lines[0].blame_ranks}: {plain(lines[0].blame_words)}".split()) in told
        assert "after 3.5 s" in told


CHANGES = st.lists(st.builds(Change, st.sampled_from(["new-hang", "changed-expectation"]), NAMES, st.text(), st.booleans()))


@given(CHANGES, st.lists(st.text(max_size=200), max_size=3), WIDTHS)
def test_a_comparison(changes: list[Change], notes: list[str], width: int) -> None:
    """Changes and notes: each name and each word whole, and nothing wider."""
    rows = list(compare.rows(Comparison("old", "new", 3, tuple(changes), tuple(notes)), width))
    fits(rows, width, *(plain(change.case) for change in changes))
    told = " ".join(" ".join(rows).split())
    assert all(plain(text) in told for text in notes)
    assert all(plain(change.text) in told and plain(change.case) in told for change in changes)


RUNS = st.lists(
    st.fixed_dictionaries(
        {
            "run": st.sampled_from(["r1", "r2", "r3"]), "started": DAYS, "scenario": NAMES, "program": NAMES,
            "engine_commit": st.sampled_from(["", "fdcade713cc0111339598034a4137b30f5465195"]),
            "libraries": st.sampled_from(["", "torch-2.13.0+cpu mpi4py-4.1.2 mpich-5.0.2"]),
            "device": st.sampled_from(["cpu", "cuda"]), "standing": st.sampled_from(["expected", "unexpected", "invalid"]),
            "outcome": st.sampled_from(["hang", "success"]), "signature": st.just("aa"),
        }
    ),
    min_size=1, max_size=5,
)  # fmt: skip
WATCHED = {
    "run": "r1", "started": "2026-11-30", "scenario": "watch", "program": "torchrun --nproc-per-node 2 " + "a/folder/" * 60,
    "engine_commit": "", "libraries": "", "device": "cpu", "standing": "unexpected", "outcome": "hang", "signature": "aa",
}  # fmt: skip


@given(RUNS, WIDTHS)
@example([WATCHED, {**WATCHED, "program": "python train.py"}], 80)
def test_a_history(runs: list[dict[str, str]], width: int) -> None:
    """No row is wider, every date and figure is whole, and no program fills more than a row."""
    found = rates(pd.DataFrame(runs))
    rows = list(history.rows(found, width))
    fits(rows, width)
    told = "\n".join(rows)
    for row in found.to_dict("records"):
        assert f"{row['failed']}/{row['launches']}" in told
        assert all(row[day] in told for day in ("first", "last", "last_failed"))
    if width >= 80:
        assert rows[0].split() == [
            "scenario",
            "failed",
            "95",
            "%",
            "interval",
            "hangs",
            "last",
            "failed",
            *rows[0].split()[8:],
        ]
    if found.program.nunique() > 1:
        assert all(middle_cut(f"  {plain(program)}", width) in rows for program in found.program if program)


def test_how_many_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """80 where nothing is said, as also of nonsense; as many as COLUMNS says, but never so few that nothing is readable."""
    monkeypatch.delenv("COLUMNS", raising=False)
    assert columns(io.StringIO()) == 80
    for said, wanted in (("120", 120), ("0", 80), ("", 80), ("wide", 80), ("-3", 80), ("1", 20)):
        monkeypatch.setenv("COLUMNS", said)
        assert columns(io.StringIO()) == wanted
