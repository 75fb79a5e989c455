"""The page of a run: what is wrong first, every case, and filters without a script."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

from lockstep.harness.report.pages.make import make_run_page
from lockstep.harness.report.pages.run_page import run_page
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore

from .page_samples import Page, is_safe
from .samples import ENVIRONMENT, NAMES, case, hang, store, success


def test_what_is_wrong_comes_first(tmp_path: Path) -> None:
    """A case that is not as expected is told in full before the grid, with expected against got and its command."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again 0", 1.0))
    run.record(CaseRecord(case(NAMES[1]), success(), False, ["outcome: expected hang, got success"], "again 1", 1.0))
    made = make_run_page(run)
    assert made is not None
    page = Page(made.read_text())
    is_safe(page)
    for words in ("3 cases: 1 as expected, 1 not as expected", "outcome: expected hang, got success", "again 1", "python"):
        assert words.lower() in page.text.lower(), words
    assert page.text.index("expected hang, got success") < page.text.index("All cases")
    assert "again 0" not in page.text


def test_five_hundred_cases(tmp_path: Path) -> None:
    """A run of 500 cases is one page of moderate size, made in well under a second of a machine's own time."""
    names = [f"scenario-{at % 50}[guards.x={at}]" for at in range(500)]
    cases = [replace(case(name), mechanism_class=f"M{at % 14 + 1}-x") for at, name in enumerate(names)]
    run = RunStore.create(tmp_path, None, ["lockstep", "run"], ENVIRONMENT, cases)
    line = run.lines[0]
    lines = [replace(one, outcome="hang" if at % 3 else "success", judged=True, ok=True, text=line.text * (at % 5))
             for at, one in enumerate(run.lines)]  # fmt: skip
    started = time.process_time()
    text = run_page(run.path, run.run, lines)
    assert time.process_time() - started < 5
    assert len(text) < 600_000
    page = Page(text)
    is_safe(page)
    assert sum(name == "class" and "case" in value.split() for _, name, value in page.attributes) == 500


def test_every_filter_has_its_rule_and_its_cases(tmp_path: Path) -> None:
    """Each button names a rule of the style sheet, by a number: no text of a case stands in it."""
    run = store(tmp_path, [f"a[x={one}]" for one in ('</style>"', "b")])
    run.record(CaseRecord(case('a[x=</style>"]'), hang(), True, [], "", 1.0))
    text = run_page(run.path, run.run, run.lines)
    page = Page(text)
    is_safe(page)
    buttons = [
        value for tag, name, value in page.attributes if (tag, name) == ("input", "id") and not value.endswith("-all")
    ]
    assert buttons
    rules = re.findall(r"body:has\(#(f\d-\d+):checked\) \.case:not\(\.(f\d-\d+)\)\{display:none\}", text)
    assert sorted(rules) == sorted((button, button) for button in buttons)
