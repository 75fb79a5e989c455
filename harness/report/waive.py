"""A waive as the plan of a run holds it: whether a verdict is the failure that it allows. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lockstep.harness.scenario.case import Expectation
from lockstep.harness.scenario.expectation import differences

Terms = Mapping[str, Any]  # owner, reason, link, expires, kind (always, flaky, expired), meanwhile (an expectation)


def words(terms: Terms | None) -> str:
    """Until when, whose, and why; empty without a waive."""
    return "until {expires}, {owner}: {reason} ({link})".format(**terms) if terms else ""


def holds(terms: Terms | None, verdict: Mapping[str, Any]) -> bool:
    """Whether a verdict, as in its file, is the failure that a waive allows. Nothing is allowed by one that has expired."""
    return terms is not None and terms["kind"] != "expired" and _failed(verdict) and not _differences(terms, verdict)


def differences_from(terms: Terms | None, verdict: Mapping[str, Any]) -> list[str]:
    """In what a failure differs from the one that a waive allows; sentences."""
    if terms is None or not _failed(verdict):
        return []
    return [f"and from what its waive says: {text}" for text in _differences(terms, verdict)]


def _failed(verdict: Mapping[str, Any]) -> bool:
    """Judged, and not as expected."""
    return verdict["outcome"] != "invalid" and not verdict["expected"]["ok"]


def _differences(terms: Terms, verdict: Mapping[str, Any]) -> list[str]:
    return differences(Expectation(**terms["meanwhile"]), verdict)
