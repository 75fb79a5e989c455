"""Whatever a verdict can say, a scenario and a waive can expect: both take their words from one vocabulary."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from lockstep.harness.campaign.waives import Meanwhile
from lockstep.harness.scenario.frame import CauseWord, ExpectSection, FindingWord, MechanismClass, OutcomeWord
from lockstep.harness.vocabulary import CAUSES, Cause, FindingKind, Mechanism, Outcome


def test_words_are_those_of_the_vocabulary() -> None:
    """The schema allows every word, and no other; what has no cause is left out, not written down."""
    assert get_args(OutcomeWord) == tuple(one.value for one in Outcome)
    assert {*get_args(CauseWord), ""} == {one.value for one in Cause}
    assert get_args(FindingWord) == tuple(one.value for one in FindingKind)
    assert get_args(MechanismClass) == tuple(one.value for one in Mechanism)


def test_every_cause_belongs_to_an_outcome() -> None:
    """No outcome and no cause is left out of the table of both."""
    assert set(CAUSES) == set(Outcome)
    assert {cause for causes in CAUSES.values() for cause in causes} == set(Cause)


@pytest.mark.parametrize("kind", FindingKind)
def test_every_finding_can_be_expected(kind: FindingKind) -> None:
    """A scenario may ask for each kind of finding, or for its absence; a waive may name it."""
    expect: dict[str, Any] = {"outcome": "success", "findings": [kind.value], "absent_findings": [kind.value]}
    assert ExpectSection.model_validate(expect).absent_findings == [kind.value]
    assert Meanwhile.model_validate({"outcome": "success", "findings": [kind.value]}).findings == [kind.value]
