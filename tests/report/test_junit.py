"""junit.xml, read back with junitparser."""

# junitparser is annotated only in part:
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml, Properties, TestCase

from harness.judge.verdict import Cause, Outcome, Verdict
from harness.report.junit import classname, render
from harness.report.line import not_judged

from .samples import NAMES, case, hang, store, success

PLAN = {"id": "a", "scenario": "a", "path": "scenarios/a.yaml", "slug": "a"}


def properties(found: TestCase) -> dict[str, str]:
    """The properties of a test case."""
    return {entry.name: entry.value for entry in found.child(Properties)}


def test_junit_of_a_run(tmp_path: Path) -> None:
    """As expected passes, not as expected fails with the differences, invalid is an error; all say how to rerun."""
    run = store(tmp_path)
    run.record(case(NAMES[0]), hang(), True, [], "lockstep run a -k 'b'", 2.5)
    run.record(case(NAMES[1]), success(), False, ["outcome is success, not raise"], "lockstep run c", 1.5)
    broken = Verdict(Outcome.INVALID, Cause.LAUNCH, "mpiexec was not found.")
    run.record(case(NAMES[2]), broken, False, [], "lockstep run d", 0.5)
    (suite,) = JUnitXml.fromfile(str(run.path / "junit.xml"))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped, suite.time) == (3, 1, 1, 0, 4.5)
    passed, failed, invalid = suite
    assert (passed.name, passed.classname, passed.time) == (NAMES[0], "scenarios.tensorrt_llm.capture", 2.5)
    assert passed.is_passed
    assert passed.system_out == "run again: lockstep run a -k 'b'"
    assert properties(passed) == {
        "outcome": "hang",
        "cause": "deadlock",
        "proved": "true",
        "signature": hang().signature,
        "blame": "3: generation_capture bs=32: none (free_blocks=24 needed_blocks=32)",
        "findings": "divergent-decision",
    }
    assert failed.is_failure
    assert failed.result[0].message == "All 4 ranks finished. outcome is success, not raise"
    assert invalid.is_error
    assert invalid.result[0].message == "mpiexec was not found"
    assert invalid.result[0].type == "invalid (launch)"


def test_element_order(tmp_path: Path) -> None:
    """Properties, result and output stand in the order that the common schemas ask for."""
    run = store(tmp_path)
    run.record(case(NAMES[0]), hang(), False, ["x"], "again", 2.5)
    root = ET.parse(run.path / "junit.xml").getroot()
    assert [child.tag for child in root[0][1]] == ["properties", "failure", "system-out"]
    assert root[0].get("timestamp") == run.run["started"][:19]


@given(st.text())
def test_any_text_gives_xml(text: str) -> None:
    """Whatever a rank's error message holds, the file is well-formed."""
    line = replace(not_judged(PLAN), text=text, rerun=text, differences=text, case=text, signature=text)
    raw = render({"run": "r", "started": "2026-11-24T13:15:02.000000+00:00"}, [line])
    suite = ET.fromstring(raw.encode())
    assert len(suite.findall(".//error")) == 1


def test_classname() -> None:
    """The scenario's path, dotted, wherever it lies."""
    assert classname("scenarios/sglang/a.b.yaml") == "scenarios.sglang.a.b"
    assert classname("/tmp/x.yaml") == "tmp.x"
    assert classname("../x.yaml") == "x"
