"""A verdict that is as expected has no difference; one field that is not gives one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.scenario.case import Expectation
from lockstep.harness.scenario.expectation import differences

RANKS = st.lists(st.integers(0, 3), min_size=1, max_size=3, unique=True)
SIZES = st.lists(st.sampled_from([1, 2, 4]), unique=True)
FINDINGS = ("mispaired", "divergent-decision", "leak", "graph-mismatch", "wrong-result")


@st.composite
def expectations(draw: st.DrawFn) -> Expectation:
    """An expectation that says everything."""
    kinds = draw(st.lists(st.sampled_from(FINDINGS), min_size=1, max_size=4, unique=True))
    return Expectation(
        outcome=draw(st.sampled_from(["success", "hang", "raise"])),
        cause=draw(st.sampled_from(["deadlock", "orphaned"])),
        proved=draw(st.booleans()),
        blame=tuple(draw(RANKS)),
        error=draw(st.sampled_from(["RuntimeError", "OSError"])),
        decision={
            "phase": "general",
            "site": "warm-up",
            "shape": draw(st.sampled_from(["bs=32", "bs=32 draft=3"])),
            "choice": "left-out",
            "detail": {"free_blocks": draw(st.integers(0, 9)), "unit": "block"},
        },
        skipped={"generation_capture": [*draw(SIZES)]},
        findings=tuple(kinds),
        absent_findings=tuple(kind for kind in FINDINGS if kind not in kinds),
    )


def fitting(expect: Expectation) -> dict[str, Any]:
    """A verdict that is exactly as expected."""
    wanted = expect.decision or {}
    figures = " ".join(f"{key}={value}" for key, value in wanted.get("detail", {}).items())
    return {
        "outcome": expect.outcome,
        "cause": expect.cause,
        "proved": expect.proved,
        "blame": {
            "ranks": list(expect.blame or ()),
            **{name: wanted[name] for name in ("phase", "site", "choice") if name in wanted},
            "shape": f"extra {wanted.get('shape', '')}",
            "detail": f"more=1 {figures}",
        },
        "ranks": [
            {"rank": 0, "status": "raised", "error_type": expect.error, "result": {"skipped": expect.skipped}},
            {"rank": 1, "status": "waiting", "error_type": None, "result": {"skipped": expect.skipped}},
        ],
        "findings": [{"kind": kind} for kind in expect.findings or ()],
    }


@given(expectations())
def test_as_expected(expect: Expectation) -> None:
    """A verdict built to match differs in nothing."""
    assert differences(expect, fitting(expect)) == []


CHANGES: dict[str, dict[str, Any]] = {
    "outcome": {"outcome": "crash"},
    "cause": {"cause": "stall"},
    "blame": {"blame": (7,)},
    "error": {"error": "KeyError"},
    "skipped": {"skipped": {"generation_capture": [64]}},
}


@given(expectations(), st.sampled_from(sorted(CHANGES)))
def test_one_field_differs(expect: Expectation, name: str) -> None:
    """Another value in one field gives one sentence about it; `skipped` one for each rank."""
    found = differences(replace(expect, **CHANGES[name]), fitting(expect))
    assert len(found) == (2 if name == "skipped" else 1)
    assert all(name in sentence for sentence in found)


@given(expectations())
def test_proved_differs(expect: Expectation) -> None:
    """Proved and not proved are told apart."""
    (sentence,) = differences(replace(expect, proved=not expect.proved), fitting(expect))
    assert sentence == f"proved: expected {not expect.proved}, got {expect.proved}"


@given(expectations(), st.sampled_from(["phase", "site", "choice", "shape"]))
def test_one_part_of_the_decision_differs(expect: Expectation, name: str) -> None:
    """Each part of the decision counts by itself."""
    other = replace(expect, decision={**(expect.decision or {}), name: "other"})
    (sentence,) = differences(other, fitting(expect))
    assert sentence.startswith(f"decision {name}: expected other, got ")


@given(expectations(), st.integers(10, 99))
def test_a_figure_differs(expect: Expectation, value: int) -> None:
    """A figure of the decision must be equal."""
    other = replace(expect, decision={"detail": {"free_blocks": value}})
    figures = (expect.decision or {})["detail"]
    assert differences(other, fitting(expect)) == [f"decision free_blocks: expected {value}, got {figures['free_blocks']}"]


@given(expectations(), st.data())
def test_a_finding_is_missing(expect: Expectation, data: st.DataObject) -> None:
    """A finding that should be there and is not gives one sentence."""
    gone = data.draw(st.sampled_from(expect.findings or ()))
    verdict = fitting(expect)
    verdict["findings"] = [finding for finding in verdict["findings"] if finding["kind"] != gone]
    assert differences(expect, verdict) == [f"finding {gone} is missing"]


@given(expectations(), st.data())
def test_a_finding_is_not_expected(expect: Expectation, data: st.DataObject) -> None:
    """A finding that must not be there gives one sentence."""
    more = data.draw(st.sampled_from(expect.absent_findings or ()))
    verdict = fitting(expect)
    verdict["findings"].append({"kind": more})
    assert differences(expect, verdict) == [f"finding {more} is not expected"]


@pytest.mark.parametrize("kind", ["wrong-result", "leak"])
def test_faults_are_never_silent(kind: str) -> None:
    """A wrong result or a leak differs from an expectation that does not name it, even one that says only `success`."""
    verdict = {**fitting(Expectation("success")), "findings": [{"kind": kind}]}
    assert differences(Expectation("success"), verdict) == [f"finding {kind} is not expected"]
    assert differences(Expectation("success", findings=(kind,)), verdict) == []


def test_what_is_not_said_does_not_count() -> None:
    """An expectation of an outcome alone takes any cause, blame and decision, and a verdict without blame."""
    verdict = {**fitting(Expectation("hang", cause="stall")), "blame": None}
    assert differences(Expectation("hang"), verdict) == []
    assert differences(Expectation("hang", blame=(1,)), verdict) == ["blame: expected ranks [1], got []"]


def test_errors_of_an_aborted_job_are_those_of_the_blamed() -> None:
    """Who raises because the aborting rank's connection is gone does not count; who is blamed does."""
    expect = Expectation("crash", cause="abort", blame=(1,), error="MemoryError")
    verdict = fitting(expect)
    verdict["ranks"][0]["error_type"], verdict["ranks"][1]["error_type"] = "RuntimeError", "MemoryError"
    assert differences(expect, verdict) == []
    verdict["ranks"][1]["error_type"] = "OSError"
    assert differences(expect, verdict) == ["error: expected MemoryError, got OSError"]
    orphaned = replace(expect, outcome="hang", cause="orphaned")
    assert len(differences(orphaned, {**verdict, "outcome": "hang", "cause": "orphaned"})) == 1


@given(expectations())
def test_another_outcome_stands_alone(expect: Expectation) -> None:
    """Where the outcome is another, what follows from it is not listed beside it."""
    other = {**fitting(expect), "outcome": "invalid", "cause": "launch", "blame": None}
    assert differences(expect, other) == [f"outcome: expected {expect.outcome}, got invalid"]


@given(expectations())
def test_what_a_blame_has_not(expect: Expectation) -> None:
    """A verdict that blames nobody differs by `nothing`, which is no word of another meaning."""
    said = " ".join(differences(expect, {**fitting(expect), "blame": None}))
    assert "decision choice: expected left-out, got nothing" in said
    assert "got none" not in said
    assert "no-error" not in said
