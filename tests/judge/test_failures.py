"""Deadlines, errors that are known before their rank has ended, and what is blamed for them, on histories of real events."""

from __future__ import annotations

import pytest

from lockstep.harness.trace.event import Need
from lockstep.harness.vocabulary import Cause, FindingKind, Outcome
from tests.judge.test_verdicts import Script, Stopped, blame_of, judged

TIMED_OUT = "Timed out waiting 1500ms"


def expire(script: Script) -> None:
    """A collective whose deadline passes."""
    with script.recorder.collective(script.tp, "all_to_all", need=Need.TIMED):
        pass
    script.recorder.decision("data_plane.deadline", "all_to_all", "expired", "seconds=1.5", deviates=True)
    raise RuntimeError(TIMED_OUT)


def test_a_wait_with_a_deadline_is_never_stuck() -> None:
    """A rank in a collective that its library will end waits for nobody, also where its peer has ended."""

    def program(script: Script) -> None:
        if script.rank == 0:
            script.recorder.collective(script.tp, "all_to_all", need=Need.TIMED)
            raise Stopped
        raise RuntimeError("gone")

    assert judged(2, program).knot == ()


def test_a_wait_for_one_that_has_a_deadline_is_not_stuck() -> None:
    """Whoever waits for a rank that a deadline will set free may go on too."""

    def program(script: Script) -> None:
        comm, need = (script.tp, Need.TIMED) if script.rank == 0 else (script.world, Need.ALL)
        script.recorder.collective(comm, "barrier", need=need)
        raise Stopped

    assert judged(2, program).knot == ()


def test_the_rank_whose_deadline_passed_first_is_blamed() -> None:
    """The slow rank finds the connections closed, or its own deadline passed: the first error is the cause."""

    def program(script: Script) -> None:
        expire(script)

    verdict = judged(2, program)
    assert (verdict.outcome, verdict.cause) == (Outcome.RAISE, Cause.ALL_RANKS)
    blame = blame_of(verdict)
    assert (blame.ranks, blame.site, blame.choice) == ((0,), "data_plane.deadline", "expired")
    assert blame.text.endswith("before rank 1 came to tp all_to_all #1")


def test_a_decision_before_another_collective_is_no_cause_of_its_own() -> None:
    """Whoever met its peers after a choice did not fail by that choice alone."""

    def program(script: Script) -> None:
        if script.rank == 0:
            script.recorder.decision("general.request", "mixed", "left-out", deviates=True)
        script.meet(script.tp)
        raise RuntimeError("later")

    assert blame_of(judged(2, program)).by == "raised"


def test_a_decision_about_another_shape_is_no_cause_of_its_own() -> None:
    """A rank that left one shape out and fails at the next has not failed by leaving out."""

    def program(script: Script) -> None:
        with script.recorder.phase("general"):
            script.recorder.shape("mixed")
            script.recorder.decision("general.request", "mixed", "left-out", deviates=True)
            script.recorder.shape("max-batch")
            raise RuntimeError("later")

    assert blame_of(judged(2, program)).by == "raised"


def test_an_error_that_is_known_does_not_end_its_rank() -> None:
    """A rank that has told its error and still means to do something about it runs, so nobody is orphaned by it."""

    def program(script: Script) -> None:
        if script.rank == 0:
            script.block(script.tp)
        script.recorder.error(ValueError("first"))
        raise Stopped

    verdict = judged(2, program)
    assert verdict.knot == ()
    assert (verdict.ranks[1].status, verdict.ranks[1].error_type) == ("running", "ValueError")


def test_an_abort_after_an_error_tells_the_error() -> None:
    """The verdict on a job that was ended by a rank that failed holds the first error of that rank."""

    def program(script: Script) -> None:
        if script.rank == 0:
            script.block(script.tp)
        script.recorder.error(ValueError("first"))
        script.recorder.abort(137, patience_s=0.0)
        raise Stopped

    verdict = judged(2, program, codes={0: -9, 1: -9})
    assert (verdict.outcome, verdict.cause) == (Outcome.CRASH, Cause.ABORT)
    assert blame_of(verdict).ranks == (1,)
    assert "called abort with code 137, after ValueError: first" in verdict.text


def test_an_abort_over_the_error_of_another_rank_is_blamed_on_that() -> None:
    """A hang detector ends the job where one rank has raised and the others wait: the error came first."""

    def program(script: Script) -> None:
        if script.rank == 0:
            raise RuntimeError("first")
        script.recorder.abort(137, patience_s=0.0)
        raise Stopped

    verdict = judged(2, program, codes={1: -9})
    assert (verdict.outcome, verdict.cause) == (Outcome.CRASH, Cause.ABORT)
    assert (blame_of(verdict).ranks, blame_of(verdict).by) == ((0,), "raised")
    assert verdict.text.endswith("first. Then rank 1 called abort.")


@pytest.mark.parametrize(
    ("step", "where"),
    [("the blame", "decide.blame"), ("the findings", "decide.findings"), ("the verdict's text", "words.verdict_text")],
)
def test_words_cost_no_verdict(step: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the blame, the text or the findings of a verdict fail, it stands, and the failure is a finding of it."""

    def fail(*arguments: object) -> None:
        raise IndexError("tuple index out of range")

    monkeypatch.setattr(f"lockstep.harness.judge.{where}", fail)
    verdict = judged(2, expire)
    assert (verdict.outcome, verdict.cause) == (Outcome.RAISE, Cause.ALL_RANKS)
    assert verdict.text
    texts = [finding.text for finding in verdict.findings if finding.kind is FindingKind.EVIDENCE_LOST]
    assert texts == [f"{step} failed: IndexError: tuple index out of range"]
