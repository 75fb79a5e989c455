"""Annotations for GitHub and GitLab: what is not as expected, at its file; whatever stands in the texts."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.report.annotation import GITHUB_SHOWS, codequality, github
from lockstep.harness.report.line import Line
from lockstep.harness.report.record import CaseRecord
from tests.report.samples import NAMES, case, hang, store

RUN: dict[str, Any] = {"run": "night-1"}


def a_line(folder: Path, ok: bool) -> Line:
    """That of a case as a run has it."""
    run = store(folder)
    differences = [] if ok else ["outcome: expected success, got hang"]
    run.record(CaseRecord(case(NAMES[0]), hang(), ok, differences, "lockstep run x", 1.0))
    return run.lines[0]


def test_what_is_red_is_annotated(tmp_path: Path) -> None:
    """At the scenario's file, with the sentence, in what it differs, and how to run it again; what is green is not."""
    line = a_line(tmp_path, False)
    (told,) = github(RUN, [line]).splitlines()
    assert told.startswith("::error file=scenarios/tensorrt_llm/capture.yaml,line=1,title=generation-capture-asymmetric[")
    assert "expected success, got hang" in told
    assert "Ranks 0-2 wait in allgather 7" in told
    assert told.endswith("Again: lockstep run x")
    (issue,) = json.loads(codequality(RUN, [line]))
    assert issue["location"] == {"path": "scenarios/tensorrt_llm/capture.yaml", "lines": {"begin": 1}}
    assert (issue["severity"], issue["check_name"]) == ("major", "lockstep-unexpected")
    green = replace(line, ok=True)
    assert (github(RUN, [green]), json.loads(codequality(RUN, [green]))) == ("", [])


def test_a_planted_hang_comes_first(tmp_path: Path) -> None:
    """And of many cases it is said how many are not shown: GitHub shows ten."""
    line = a_line(tmp_path, False)
    many = [replace(line, case=f"case-{number}") for number in range(GITHUB_SHOWS + 5)]
    told = github(RUN, [*many, replace(line, case="planted", planted=True)]).splitlines()
    assert len(told) == GITHUB_SHOWS
    assert "PLANTED DEADLOCK NOT DETECTED" in told[0]
    assert told[-1] == "::error title=lockstep::7 more cases of run night-1 are not as expected: its summary has all"
    issues = json.loads(codequality(RUN, [*many, replace(line, case="planted", planted=True)]))
    assert (len(issues), issues[0]["severity"]) == (GITHUB_SHOWS + 6, "blocker")
    assert len({issue["fingerprint"] for issue in issues}) == len(issues)


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=2000))
def test_any_text_is_one_command(path: str, name: str, text: str) -> None:
    """Nothing in a path, a name or a text begins another command, or ends a property."""
    line = replace(LINE, path=path, case=name, text=text)
    (told,) = github(RUN, [line]).split("\n")[:-1]
    assert re.fullmatch(r"::error (file=[^:,]*,line=1,)?title=[^:,]*::.*", told, re.DOTALL)
    assert "\r" not in told
    assert len(json.loads(codequality(RUN, [line]))) == 1


LINE = Line(
    case="a", scenario="a", path="a.yaml", slug="a", outcome="hang", cause="stall", proved=False, ok=False, differences="",
    blame_ranks="", blame_by="", blame_words="", blame_text="", text="", findings="", finding_texts="", signature="",
    last_block_to_verdict_s=None, start_to_verdict_s=None, seconds=None, events=0, events_lost=0, rerun="", recorded="",
)  # fmt: skip
