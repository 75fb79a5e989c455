"""The result of a case: all its repetitions together, with their rate. Pure.

A case that was run once is a result of one line. A mixed result is never green, and neither is one of which a part could
not be judged or was not run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lockstep.harness.rates import missed_text, percent, rate_text
from lockstep.harness.report.line import Line

GREEN = ("expected", "waived")
RED = ("unexpected", "flaky", "invalid")
STANDINGS = (*RED, "not-run", *GREEN)  # the gravest first
UNDETECTED = "PLANTED DEADLOCK NOT DETECTED"


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case. `standing`: expected, unexpected, flaky, waived, invalid, or not-run."""

    lines: tuple[Line, ...]  # its repetitions
    standing: str
    note: str = ""  # what the lines do not say: rate, waive

    @property
    def case(self) -> str:
        """Its id."""
        return self.lines[0].case

    @property
    def line(self) -> Line:
        """The repetition that shows why it stands so."""
        wanted = {"flaky": ("unexpected", "waived")}.get(self.standing, (self.standing,))
        return next((line for line in self.lines if line.standing in wanted), self.lines[0])

    @property
    def undetected(self) -> bool:
        """A planted hang that was not found in every repetition."""
        return self.lines[0].planted and any(line.standing != "expected" for line in self.lines)

    @property
    def seconds(self) -> float:
        """Of all repetitions."""
        return sum(line.seconds or 0.0 for line in self.lines)

    @property
    def failed(self) -> int:
        """Repetitions that were judged and not as expected."""
        return sum(line.standing in ("unexpected", "waived") for line in self.lines)

    @property
    def judged(self) -> int:
        """Repetitions that count for the rate."""
        return sum(line.standing in ("unexpected", "waived", "expected") for line in self.lines)


def results(lines: Sequence[Line]) -> list[Result]:
    """The results of a run's lines, in the order in which their cases come first."""
    grouped: dict[str, list[Line]] = {}
    for line in lines:
        grouped.setdefault(line.case, []).append(line)
    return [_result(tuple(group)) for group in grouped.values()]


def undetected_text(found: Sequence[Result]) -> str:
    """The sentence about planted deadlocks that were not detected; empty when all were."""
    missed = [result for result in found if result.undetected]
    if not missed:
        return ""
    names = ", ".join(f"{result.case} ({result.line.words})" for result in missed)
    return f"{UNDETECTED}: {names}. Nothing else that this run says can be relied on."


def _result(lines: tuple[Line, ...]) -> Result:
    count = Counter(line.standing for line in lines)
    rate = _rate(count) if len(lines) > 1 else ""
    standing, note = _standing(lines, count)
    if standing in GREEN:  # and what could not be judged, or was not run, keeps it from being green
        standing = next((rest for rest in ("invalid", "not-run") if count[rest]), standing)
    return Result(lines, standing, _join(note, rate, _retried(lines)))


def _standing(lines: Sequence[Line], count: Mapping[str, int]) -> tuple[str, str]:
    """How the judged repetitions make a case stand, and what is to be said of that beside their rate."""
    kind, waive = lines[0].waive_kind, lines[0].waive
    waived = f"waived {waive}" if waive else ""
    failed, clean = count["unexpected"] + count["waived"], count["expected"]
    if kind == "expired":
        return "unexpected", f"its waive has expired: {waive}"
    if failed and clean:
        known = kind == "flaky" and not count["unexpected"]
        return "waived" if known else "flaky", _join(_mixed(lines), waived)
    if failed:
        return "unexpected" if count["unexpected"] else "waived", waived
    if clean and kind == "always":
        return "unexpected", f"its waive is stale, as the case passes; remove it: {waive}"
    return "expected", waived


def _mixed(lines: Sequence[Line]) -> str:
    words = Counter(line.words for line in lines)
    return "flaky: " + ", ".join(f"{number} x {text}" for text, number in words.most_common())


def _rate(count: Mapping[str, int]) -> str:
    """How often it was not as expected; of a clean result what it could have missed."""
    failed = count["unexpected"] + count["waived"]
    judged = failed + count["expected"]
    found = [f"not as expected in {rate_text(failed, judged)}"] if judged else []
    found += [missed_text(judged)] if judged and not failed else []
    found += [f"{count[key]} {text}" for key, text in (("invalid", "not judged"), ("not-run", "not run")) if count[key]]
    return _join(*found)


def _retried(lines: Sequence[Line]) -> str:
    """Which attempts judged nothing; empty without any."""
    texts = [text for line in lines for text in line.attempt_texts.splitlines() if text.startswith("attempt ")]
    return f"tried again after {', '.join(texts)}" if texts else ""


def _join(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def failed_percent(result: Result) -> str:
    """In how many of its judged repetitions a case was not as expected, for a narrow column."""
    return f"{result.failed}/{result.judged}, {percent(result.failed / result.judged)}" if result.judged else "-"
