"""junit.xml: a test case a case, for CI servers.

A verdict that is not as expected is a failure, `invalid` an error; what is waived or was not run is skipped, with the
reason. A flaky case is a failure, since it must not pass, and has each failed repetition as a `flakyFailure`.
"""

# junitparser is annotated only in part:
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from junitparser import Attr, Error, Failure, JUnitXml, Properties, Property, Skipped, TestCase, TestSuite
from junitparser.xunit2 import FlakyFailure

from lockstep.harness.rates import interval
from lockstep.harness.report.line import Line
from lockstep.harness.report.result import UNDETECTED, Result, results

LIMIT_BYTES = 16 << 20  # GitLab takes files below 30 MB, and texts below 10 MB
TEXT_CHARACTERS = (8_000, 1_000, 100, 0)  # of one text; the first with which the file is small enough
# What XML 1.0 cannot hold, not even escaped: most control characters (a traceback may have colours), surrogates.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _InFile(TestCase):
    """A test case with the file that it is of, as GitLab links it."""

    file = Attr()


def render(run: Mapping[str, Any], lines: Sequence[Line], limit: int = LIMIT_BYTES) -> str:
    """The report of a run as XML text; below `limit` bytes by shorter texts, never by fewer test cases."""
    found = results(lines)
    for characters in TEXT_CHARACTERS:
        text = _render(run, found, characters)
        if len(text.encode("utf-8", "replace")) < limit:
            break
    return text


def _render(run: Mapping[str, Any], found: Sequence[Result], characters: int) -> str:
    suite = TestSuite("lockstep")
    suite.timestamp = str(run["started"])[:19]  # without zone, as the common schema of JUnit wants it
    suite.hostname = _clean(str(run.get("environment", {}).get("host", "")))
    suite.add_property("run", run["run"])
    suite.add_testcases([_case(result, characters) for result in found])
    report = JUnitXml("lockstep")
    report.add_testsuite(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{report.tostring().decode("utf-8")}\n'


def _case(result: Result, characters: int) -> TestCase:
    line = result.line
    case = _InFile(_clean(line.case), classname(line.path) or _clean(line.scenario), result.seconds)
    if line.path:  # a watched program is of no scenario's file
        case.file = _clean(line.path)
    case.append(_properties(result, characters))
    message = _clip(". ".join(filter(None, (_lead(result), line.text.rstrip("."), line.differences))), characters)
    texts = (result.note, line.text, line.differences, line.blame_text, line.finding_texts)
    details = _clip("\n".join(filter(None, texts)), characters)
    # Elements in this order: some consumers check it.
    if result.standing in ("waived", "not-run") and not result.undetected:
        case.append(_result(Skipped, message, line.words, details))
    elif result.standing == "invalid" and not result.undetected:
        case.append(_result(Error, message, line.words, details))
    elif result.standing != "expected" or result.undetected:
        kind = "flaky" if result.standing == "flaky" else line.words
        case.append(_result(Failure, message, kind, details))
    if result.standing == "flaky":
        for one in result.lines:
            if one.standing in ("unexpected", "waived"):
                case.append(_flaky(one, characters))
    said = _said(result)
    if said:
        case.system_out = _clip(said, characters)
    return case


def _lead(result: Result) -> str:
    """What comes before the verdict's own words."""
    return ". ".join(filter(None, (UNDETECTED if result.undetected else "", result.note)))


def _said(result: Result) -> str:
    """How to run it again, and what was tried before something could be judged."""
    again = [f"run again: {result.line.rerun}"] if result.line.rerun else []
    return "\n".join((*again, *(text for line in result.lines for text in line.attempt_texts.splitlines())))


def _flaky(line: Line, characters: int) -> FlakyFailure:
    message = _clip(f"repetition {line.repetition}: {line.differences or line.text}", characters)
    found = FlakyFailure(message, _clean(line.words))
    found.stack_trace = _clip("\n".join(filter(None, (line.text, line.blame_text))), characters)
    return found


def _properties(result: Result, characters: int) -> Properties:
    found, line = Properties(), result.line
    low, high = interval(result.failed, result.judged)
    many = len(result.lines) > 1 and result.judged
    for name, value in (
        ("outcome", line.outcome),
        ("cause", line.cause),
        ("proved", "" if line.proved is None else str(line.proved).lower()),
        ("signature", line.signature),
        ("blame", f"{line.blame_ranks}: {line.blame_words}" if line.blame_ranks else ""),
        ("findings", line.findings),
        ("attempts", str(line.attempts) if line.attempts > 1 else ""),
        ("waive", line.waive),
        ("repetitions", str(result.judged) if many else ""),
        ("failed", str(result.failed) if many else ""),
        ("failure-rate", f"{result.failed / result.judged:.4f}" if many else ""),
        ("failure-rate-95", f"{low:.4f}-{high:.4f}" if many else ""),
    ):
        if value:
            found.add_property(Property(name, _clip(value, characters)))
    return found


def _result(kind: type[Failure | Error | Skipped], message: str, words: str, details: str) -> Failure | Error | Skipped:
    result = kind(message, _clean(words))
    result.text = details
    return result


def classname(path: str) -> str:
    """A scenario's path as CI servers group by it: `scenarios.tensorrt_llm.generation-capture`."""
    pure = PurePosixPath(path)
    return ".".join(part for part in (*pure.parent.parts, pure.stem) if part not in ("/", ".", ".."))


def _clip(text: str, characters: int) -> str:
    """The start of a text, and how much is missing."""
    more = len(text) - characters
    return _clean(text if more <= 0 else f"{text[:characters]} [{more} more characters in verdict.json]")


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("�", text)
