"""An engine that cannot run a scenario: nothing is judged, whatever its peers wait for."""

from __future__ import annotations

from lockstep.harness.vocabulary import Cause, Outcome
from tests.judge.test_verdicts import Script, Stopped, judged


def test_an_engine_that_lacks_something_is_no_verdict_on_ranks() -> None:
    """Its peers wait for it for ever: that is no hang, nobody is to blame, and there is nothing to recognise."""

    def program(script: Script) -> None:
        if script.rank == 2:
            script.recorder.unable("missing name x at a.py:3")
            raise Stopped
        script.block(script.world)

    verdict = judged(4, program)
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.INVALID, Cause.SCENARIO, None)
    assert verdict.text == "The engine cannot run this scenario: missing name x at a.py:3 (rank 2)."
    assert (verdict.blame, verdict.knot, verdict.findings, verdict.signature) == (None, (), (), "")
    assert [end.status for end in verdict.ranks] == ["blocked", "blocked", "unable", "blocked"]


def test_the_first_reason_is_given_with_all_who_give_it() -> None:
    """Ranks mostly lack the same; another reason is in its rank's log."""

    def program(script: Script) -> None:
        script.recorder.unable("b" if script.rank == 1 else "a")
        raise Stopped

    assert judged(3, program).text == "The engine cannot run this scenario: a (ranks 0,2)."
