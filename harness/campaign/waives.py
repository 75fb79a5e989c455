"""Waives: cases that are known to fail, with who answers for it, why, and until when. They still run and only do not gate.

A YAML file, strict as scenarios are: every mistake is reported with file, line and column.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.document import Document, read
from lockstep.harness.scenario.errors import FileErrors, Problem
from lockstep.harness.scenario.frame import CauseWord, DecisionSection, FindingWord, OutcomeWord
from lockstep.harness.scenario.places import WAIVES
from lockstep.harness.scenario.section import Section
from lockstep.harness.scenario.validate import validate
from lockstep.harness.vocabulary import Outcome

DEFAULT = Path("scenarios") / WAIVES
PLANTED = "planted"  # the tag of hangs that show that the detector works


class Meanwhile(Section):
    """How the case fails until it is mended, in the words of an expectation."""

    outcome: OutcomeWord
    cause: CauseWord | None = None
    proved: bool | None = None
    blame: list[int] | None = None
    error: str | None = None
    decision: DecisionSection | None = None
    findings: list[FindingWord] | None = None


class Entry(Section):
    """One waive."""

    case: str | None = Field(None, min_length=1, description="id of a case")
    pattern: str | None = Field(None, min_length=1, description="ids of cases; * stands for any text, ? for a character")
    owner: str = Field(min_length=1, description="who answers for it")
    reason: str = Field(min_length=1)
    link: str = Field(pattern=r"^https?://\S+$", description="where it is being worked on")
    expires: date = Field(description="the last day on which it holds")
    fails: Literal["always", "flaky"] = Field("always", description="flaky: a case that passes now and then is no news")
    meanwhile: Meanwhile

    @model_validator(mode="after")
    def _one(self) -> Entry:
        if (self.case is None) == (self.pattern is None):
            raise ValueError("give either `case` or `pattern`")
        if self.meanwhile.outcome == "invalid":
            raise ValueError("meanwhile: invalid cannot be waived, as it tells nothing of the case; mend the machine")
        return self


class File(Section):
    """A file of waives."""

    waives: list[Entry]


@dataclass(frozen=True, slots=True)
class Waive:
    """A waive as it holds for one case on one day."""

    owner: str
    reason: str
    link: str
    expires: date
    kind: str  # always, flaky, or expired
    meanwhile: dict[str, Any]  # an expectation

    def to_json(self) -> dict[str, Any]:
        """As in the plan of a run."""
        return {
            "owner": self.owner,
            "reason": self.reason,
            "link": self.link,
            "expires": self.expires.isoformat(),
            "kind": self.kind,
            "meanwhile": self.meanwhile,
        }


def load_waives(path: Path, cases: Sequence[Case], today: date, complete: bool) -> dict[str, Waive]:
    """The waives of a file that hold for these cases, by case id.

    `complete`: these are all the cases that there are, so that a waive which fits none is a mistake. Raises FileErrors.
    """
    document = read(path, "a file of waives is a mapping with the key `waives`", "see docs/nightly.md")
    if document.problems:
        raise FileErrors(document.problems)
    file, problems = validate(File, document.data, document)
    if file is None:
        raise FileErrors(problems)
    found: dict[str, Waive] = {}
    first: dict[str, int] = {}
    for number, entry in enumerate(file.waives):
        fitting = [case.id for case in cases if _fits(entry, case.id)]
        if not fitting and complete:
            problems.append(_fits_none(document, number, entry, cases))
        if wrong := _too_much(entry, [case for case in cases if case.id in fitting], cases, complete):
            problems.append(document.problem(("waives", number, "case" if entry.case else "pattern"), *wrong, at_value=True))
            continue
        for ident in fitting:
            if ident in first:
                key = "case" if entry.case else "pattern"
                text = f"fits {ident}, as does waive {first[ident] + 1} of this file"
                problems.append(document.problem(("waives", number, key), text, "keep one of them", at_value=True))
            first[ident] = number
            found[ident] = _waive(entry, today)
    if problems:
        raise FileErrors(problems)
    return found


def _too_much(entry: Entry, fitting: Sequence[Case], cases: Sequence[Case], complete: bool) -> tuple[str, str] | None:
    """Why a waive is refused that no failure could be seen behind: what is wrong, and what to do."""
    if entry.pattern and not entry.pattern.strip("*?"):
        return "fits everything, so that no night could fail", "name the cases that are known to"
    planted = [case.id for case in fitting if PLANTED in case.tags and case.expect.outcome == Outcome.HANG.value]
    if planted:
        return f"fits {planted[0]}, a planted hang: it shows that hangs are found at all", "leave it out"
    if complete and len(cases) > 1 and len(fitting) == len(cases):
        return f"fits all {len(cases)} cases, so that no night could fail", "name the cases that are known to"
    return None


def _fits(entry: Entry, ident: str) -> bool:
    if entry.pattern is None:
        return entry.case == ident
    wild = {"*": ".*", "?": "."}
    return re.fullmatch("".join(wild.get(one, re.escape(one)) for one in entry.pattern), ident, re.DOTALL) is not None


def _fits_none(document: Document, number: int, entry: Entry, cases: Sequence[Case]) -> Problem:
    import difflib

    key, text = ("case", entry.case) if entry.case else ("pattern", entry.pattern)
    close = difflib.get_close_matches(str(text), [case.id for case in cases], n=1)
    advice = f"did you mean {close[0]}?" if close else "remove it, or see `lockstep list`"
    return document.problem(("waives", number, key), "fits no case", advice, at_value=True)


def _waive(entry: Entry, today: date) -> Waive:
    kind = "expired" if entry.expires < today else entry.fails
    meanwhile = entry.meanwhile.model_dump(exclude_none=True)
    return Waive(entry.owner, entry.reason, entry.link, entry.expires, kind, meanwhile)
