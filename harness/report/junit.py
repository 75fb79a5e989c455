"""junit.xml: a test case a case, for CI servers. A verdict that is not as expected is a failure, `invalid` an error."""

# junitparser is annotated only in part:
# mypy: disable-error-code="no-untyped-call"
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from junitparser import Error, Failure, JUnitXml, Properties, Property, TestCase, TestSuite

from harness.report.line import Line

# What XML 1.0 cannot hold, not even escaped: most control characters (a traceback may have colours), surrogates.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(run: Mapping[str, Any], lines: Sequence[Line]) -> str:
    """The report of a run as XML text."""
    suite = TestSuite("lockstep")
    suite.timestamp = str(run["started"])[:19]  # without zone, as the common schema of JUnit wants it
    suite.add_property("run", run["run"])
    suite.add_testcases([_case(line) for line in lines])
    report = JUnitXml("lockstep")
    report.add_testsuite(suite)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{report.tostring().decode("utf-8")}\n'


def _case(line: Line) -> TestCase:
    case = TestCase(_clean(line.case), classname(line.path), line.seconds or 0.0)
    case.append(_properties(line))
    message = _clean(". ".join(filter(None, (line.text.rstrip("."), line.differences))))
    details = _clean("\n".join(filter(None, (line.text, line.differences, line.blame_text, line.finding_texts))))
    # Elements in this order: some consumers check it.
    if line.standing == "invalid":
        case.append(_result(Error, message, line.words, details))
    elif line.standing == "unexpected":
        case.append(_result(Failure, message, line.words, details))
    if line.rerun:
        case.system_out = _clean(f"run again: {line.rerun}")
    return case


def _properties(line: Line) -> Properties:
    found = Properties()
    for name, value in (
        ("outcome", line.outcome),
        ("cause", line.cause),
        ("proved", "" if line.proved is None else str(line.proved).lower()),
        ("signature", line.signature),
        ("blame", f"{line.blame_ranks}: {line.blame_words}" if line.blame_ranks else ""),
        ("findings", line.findings),
    ):
        if value:
            found.add_property(Property(name, _clean(value)))
    return found


def _result(kind: type[Failure] | type[Error], message: str, words: str, details: str) -> Failure | Error:
    result = kind(message, words)
    result.text = details
    return result


def classname(path: str) -> str:
    """A scenario's path as CI servers group by it: `scenarios.tensorrt_llm.generation-capture`."""
    pure = PurePosixPath(path)
    return ".".join(part for part in (*pure.parent.parts, pure.stem) if part not in ("/", ".", ".."))


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("�", text)
