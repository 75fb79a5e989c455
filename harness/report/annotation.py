"""Annotations of a change: what is not as expected, at its scenario's file, as GitHub and GitLab show it. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from lockstep.harness.report.line import Line
from lockstep.harness.report.result import RED, STANDINGS, UNDETECTED, Result, results

GITHUB_SHOWS = 10  # errors of one step; what comes after is not shown
CHARACTERS = 1_000  # of one; GitHub cuts at 4 KiB
SEVERITIES = {"unexpected": "major", "flaky": "minor", "invalid": "info"}


def github(run: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """Workflow commands, one a line: GitHub's runner takes them out of what a step prints."""
    found = _wrong(lines)
    shown = found if len(found) <= GITHUB_SHOWS else found[: GITHUB_SHOWS - 1]
    rows = [_error(result.line.path, result.case, _text(result)) for result in shown]
    if len(shown) < len(found):
        text = f"{len(found) - len(shown)} more cases of run {run['run']} are not as expected: its summary has all"
        rows.append(_error("", "lockstep", text))
    return "".join(f"{row}\n" for row in rows)


def codequality(run: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """GitLab's Code Quality report: a JSON list, which is there and empty when all is as expected."""
    issues = [
        {
            "description": f"{result.case}: {_text(result)}",
            "check_name": f"lockstep-{result.standing}",
            "fingerprint": hashlib.sha256(f"{result.line.device} {result.case}".encode()).hexdigest(),
            "severity": "blocker" if result.undetected else SEVERITIES.get(result.standing, "major"),
            "location": {"path": result.line.path or ".", "lines": {"begin": 1}},
        }
        for result in _wrong(lines)
    ]
    return json.dumps(issues, indent=1) + "\n"


def _wrong(lines: Sequence[Line]) -> list[Result]:
    """The gravest first: without a planted hang nothing else counts."""
    found = [result for result in results(lines) if result.standing in RED or result.undetected]
    return sorted(found, key=lambda result: (not result.undetected, STANDINGS.index(result.standing)))


def _text(result: Result) -> str:
    line = result.line
    lead = UNDETECTED if result.undetected else ""
    parts = (lead, line.words, result.note, line.differences, line.text, f"Again: {line.rerun}" if line.rerun else "")
    text = ". ".join(part.rstrip(".") for part in parts if part)
    return text if len(text) <= CHARACTERS else f"{text[: CHARACTERS - 4]} ..."


def _error(path: str, title: str, text: str) -> str:
    """Whatever stands in the texts, it is one command: line ends and what ends a property are escaped."""
    place = f"file={_property(path)},line=1," if path else ""
    return f"::error {place}title={_property(title)}::{_escaped(text)}"


def _property(text: str) -> str:
    return _escaped(text).replace(":", "%3A").replace(",", "%2C")


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
