"""junit.xml, read back with junitparser."""

# junitparser is annotated only in part:
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import JUnitXml, Properties, TestCase

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report.junit import classname, render
from lockstep.harness.report.line import not_judged
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore
from lockstep.harness.vocabulary import Cause, Outcome

from .samples import ENVIRONMENT, NAMES, case, hang, store, success

PLAN = {"id": "a", "scenario": "a", "path": "scenarios/a.yaml", "slug": "a"}


def properties(found: TestCase) -> dict[str, str]:
    """The properties of a test case."""
    return {entry.name: entry.value for entry in found.child(Properties)}


def test_junit_of_a_run(tmp_path: Path) -> None:
    """As expected passes, not as expected fails with the differences, invalid is an error; all say how to rerun."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "lockstep run a -k 'b'", 2.5))
    run.record(CaseRecord(case(NAMES[1]), success(), False, ["outcome is success, not raise"], "lockstep run c", 1.5))
    broken = Verdict(Outcome.INVALID, Cause.LAUNCH, "mpiexec was not found.")
    run.record(CaseRecord(case(NAMES[2]), broken, False, [], "lockstep run d", 0.5))
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
        "blame": "3: generation_capture bs=32: left-out (free_blocks=24 needed_blocks=32)",
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
    run.record(CaseRecord(case(NAMES[0]), hang(), False, ["x"], "again", 2.5))
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


# The common form: pytest's `xunit2` with Maven Surefire's flaky failures, and `file`, which GitLab reads.
KNOWN = {
    "testsuites": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"testsuite"}),
    "testsuite": (
        {"name", "tests", "failures", "errors", "skipped", "time", "timestamp", "hostname"},
        {"properties", "testcase"},
    ),
    "testcase": (
        {"name", "classname", "file", "time"},
        {"properties", "skipped", "error", "failure", "flakyFailure", "system-out"},
    ),
    "properties": (set(), {"property"}),
    "property": ({"name", "value"}, set()),
    "skipped": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
    "failure": ({"message", "type"}, set()),
    "flakyFailure": ({"message", "type"}, {"stackTrace"}),
    "stackTrace": (set(), set()),
    "system-out": (set(), set()),
}


def test_nothing_that_consumers_do_not_know(tmp_path: Path) -> None:
    """Every element and attribute is of the common form; each case has name, classname, file and time, in numbers."""
    plan = [
        PlannedCase(case(NAMES[0]), 1),
        PlannedCase(case(NAMES[0]), 2),
        PlannedCase(case(NAMES[1])),
        PlannedCase(case(NAMES[2])),
    ]
    run = RunStore.create(tmp_path, None, [], ENVIRONMENT, plan)
    run.record(CaseRecord(case(NAMES[0]), success(), False, ["x"], "again", 1.5, 1))
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again", 1.5, 2))
    run.record(CaseRecord(case(NAMES[1]), Verdict(Outcome.INVALID, Cause.LAUNCH, "No."), False, [], "again", 1.5))
    run.leave_out(case(NAMES[2]), 1, "no budget")
    root = ET.parse(run.path / "junit.xml").getroot()
    found = list(root.iter())
    assert {element.tag for element in found} == set(KNOWN)
    for element in found:
        attributes, children = KNOWN[element.tag]
        assert set(element.attrib) <= attributes, element.tag
        assert {child.tag for child in element} <= children, element.tag
    for element in root.iter("testcase"):
        assert set(element.attrib) == {"name", "classname", "file", "time"}
        assert float(element.attrib["time"]) >= 0.0
        assert element.attrib["file"] == "scenarios/tensorrt_llm/capture.yaml"
    (suite,) = root
    assert [suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")] == ["3", "1", "1", "1"]


@settings(max_examples=15, deadline=None)
@given(st.text(max_size=50), st.integers(1, 40), st.integers(0, 2_000))
def test_size(text: str, cases: int, times: int) -> None:
    """A file that would be too large has shorter texts, which say what is missing, and every case all the same."""
    line = replace(not_judged(PLAN), text=text * times, differences=text * times, finding_texts=text * times, rerun=text)
    lines = [replace(line, case=f"case {n}") for n in range(cases)]
    limit = 40_000
    raw = render({"run": "r", "started": "2026-11-24T13:15:02.000000+00:00"}, lines, limit).encode()
    assert len(raw) < limit
    found = ET.fromstring(raw).findall(".//testcase")
    assert [one.attrib["name"] for one in found] == [f"case {n}" for n in range(cases)]
    errors = [one.findtext("error") or "" for one in found]
    if len(text.strip()) * times > 8_000:
        assert all("more characters in verdict.json]" in words for words in errors)
