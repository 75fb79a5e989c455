"""The format of verdict.json, its schema and its page."""

from __future__ import annotations

import json
import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.judge.verdict import Blame, Finding, ProcessWait, RankEnd, Verdict, WaitLine
from lockstep.harness.report.line import judged
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.schema import Attempt, Expected, Place, Skew, VerdictFile, read_verdict, verdict_schema
from lockstep.harness.vocabulary import CAUSES, Cause, FindingKind, Outcome

from .samples import NAMES, case, hang, store, success

PAGE = Path(__file__).parents[2] / "docs/verdicts.md"
WORD = st.text(max_size=8)
RANKS = st.lists(st.integers(0, 16_383), max_size=3).map(tuple)
SECONDS = st.none() | st.floats(0, 1e6)
JSON = st.dictionaries(
    WORD,
    st.recursive(st.none() | st.booleans() | st.integers() | WORD, lambda inner: st.lists(inner, max_size=2)),
    max_size=2,
)
BLAME = st.builds(
    Blame, RANKS, WORD, WORD, WORD, WORD, WORD, WORD, WORD, st.dictionaries(WORD, st.lists(st.integers()), max_size=2)
)
VERDICTS = st.builds(
    Verdict,
    outcome=st.sampled_from(Outcome),
    cause=st.sampled_from(Cause),
    text=WORD,
    proved=st.none() | st.booleans(),
    knot=st.lists(
        st.builds(WaitLine, st.integers(), WORD, WORD, WORD, WORD, st.integers(), WORD, WORD, RANKS, st.booleans(), WORD),
        max_size=2,
    ).map(tuple),
    knot_processes=st.lists(st.builds(ProcessWait, WORD, st.integers(), WORD, WORD, WORD, RANKS, RANKS), max_size=2).map(
        tuple
    ),
    blame=st.none() | BLAME,
    findings=st.lists(st.builds(Finding, st.sampled_from(FindingKind), WORD, JSON), max_size=2).map(tuple),
    signature=WORD,
    ranks=st.lists(
        st.builds(RankEnd, st.integers(), WORD, error=WORD, exit_code=st.none() | st.integers(), result=st.none() | JSON),
        max_size=2,
    ).map(tuple),
    last_block_to_verdict_s=SECONDS,
    start_to_verdict_s=SECONDS,
    events=st.integers(0),
)
ADDED: dict[str, Any] = {
    "case": "a",
    "run": "r",
    "repetition": 2,
    "attempts": [{"number": 1, "outcome": "", "cause": "", "text": "killed", "folder": "attempt-1"}],
    "expected": {"ok": True, "differences": []},
    "rerun": "again",
    "device": "cpu",
    "places": [{"host": "a", "ranks": 2, "gpus": ["0", "1"]}],
    "engine_commit": "c1-dirty",
    "skew": {"seed": 3, "drawn": [{"kind": "delay", "rank": 1, "phase": "decode", "seconds": 0.25}]},
    "evidence": [],
    "environment": {},
    "seconds": 1.0,
    "recorded": "2026-11-24T13:15:02.000000+00:00",
}


@settings(max_examples=60)
@given(VERDICTS)
def test_verdict_round_trip(verdict: Verdict) -> None:
    """A verdict read from its file is the verdict that was written, and the file keeps to the schema."""
    text = json.dumps({**verdict.to_json(), **ADDED})
    raw = json.loads(text)
    assert Verdict.from_json(raw) == verdict
    assert read_verdict(text).outcome is verdict.outcome
    plan = {"id": "a", "scenario": "a", "path": "a.yaml", "slug": "a"}
    assert judged(plan, raw).outcome == verdict.outcome.value


@pytest.mark.parametrize("verdict", [hang(), success()], ids=["hang", "success"])
def test_real_files_keep_to_the_schema(tmp_path: Path, verdict: Verdict) -> None:
    """What the store writes is valid, with every field and no other."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), verdict, True, [], "again", 2.0))
    text = (run.case_dir(case(NAMES[0])) / "verdict.json").read_text()
    assert read_verdict(text).case == NAMES[0]
    schema = verdict_schema()
    assert sorted(json.loads(text)) == sorted(schema["properties"]) == sorted(schema["required"])


def test_schema_refuses_other_files() -> None:
    """A missing field, an unknown one, a wrong type, an unknown outcome and another version are errors."""
    good = {**hang().to_json(), **ADDED}
    read_verdict(json.dumps(good))
    bad: list[dict[str, Any]] = [
        {**good, "surprise": 1},
        {key: value for key, value in good.items() if key != "rerun"},
        {**good, "outcome": "fine"},
        {**good, "schema": "lockstep.verdict/99"},
        {**good, "events": "many"},
        {**good, "blame": {**good["blame"], "surprise": 1}},
    ]
    for raw in bad:
        with pytest.raises(ValueError, match="validation error"):
            read_verdict(json.dumps(raw))


def test_schema_is_closed() -> None:
    """Every object of the schema names all its fields as required and allows no other."""
    schema = verdict_schema()
    for part in (schema, *(part for part in schema["$defs"].values() if part["type"] == "object")):
        assert part["additionalProperties"] is False
        assert sorted(part["required"]) == sorted(part["properties"])
    assert schema["properties"]["schema"]["const"] == "lockstep.verdict/1"


def documented(title: str) -> list[str]:
    """The first column of the table below a heading of docs/verdicts.md."""
    section = PAGE.read_text().split(f"\n### {title}\n", 1)[1].split("\n#", 1)[0]
    return re.findall(r"^\| `([^`]+)`", section, re.MULTILINE)


@pytest.mark.parametrize(
    "kind", [VerdictFile, Expected, Attempt, Place, Skew, WaitLine, ProcessWait, Blame, Finding, RankEnd]
)
def test_page_names_every_field(kind: type) -> None:
    """docs/verdicts.md lists the fields of every part of a verdict file, in order and no other."""
    assert is_dataclass(kind)
    names = [field.name for field in fields(kind)]
    if kind is VerdictFile:
        names = ["schema", *(name for name in names if name != "schema")]
    title = "verdict.json" if kind is VerdictFile else kind.__name__
    assert documented(title) == names


def test_page_names_every_outcome_and_finding() -> None:
    """docs/verdicts.md lists every outcome with its causes, and every kind of finding."""
    text = PAGE.read_text()
    section = text.split("\n## Outcomes and causes\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `(\S+)` \| ([^|]*) \|", section, re.MULTILINE)
    found = {(outcome, cause) for outcome, causes in rows for cause in re.findall("`([^`]+)`", causes) or [""]}
    assert found == {(outcome.value, cause.value) for outcome, causes in CAUSES.items() for cause in causes}
    assert documented("Kinds of finding") == [kind.value for kind in FindingKind]
