"""The result of a case: all its repetitions together, with their rate. Pure.

A case that was run once is a result of one line. A mixed result is never green, and neither is one of which a part could
not be judged or was not run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.report.line import Line
from harness.report.rates import missed_text, percent, rate_text

GREEN = ("expected", "waived")
RED = ("unexpected", "flaky", "invalid")
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
    kind = lines[0].waive_kind
    failed, clean = count["unexpected"] + count["waived"], count["expected"]
    rate = _rate(count, failed, clean) if len(lines) > 1 else ""
    if kind == "expired":
        return Result(lines, "unexpected", _join(f"its waive has expired: {lines[0].waive}", rate))
    if failed and clean:
        known = kind == "flaky" and not count["unexpected"]
        return Result(lines, "waived" if known else "flaky", _join(_mixed(lines), rate, _waive(lines)))
    if failed:
        standing = "unexpected" if count["unexpected"] else "invalid" if count["invalid"] else "waived"
        return Result(lines, standing, _join(rate, _waive(lines)))
    if clean and kind == "always":
        return Result(
            lines, "unexpected", _join(f"its waive is stale, as the case passes; remove it: {lines[0].waive}", rate)
        )
    for rest in ("invalid", "not-run"):
        if count[rest]:
            return Result(lines, rest, rate)
    return Result(lines, "expected", _join(rate, _waive(lines)))


def _mixed(lines: Sequence[Line]) -> str:
    words = Counter(line.words for line in lines)
    return "flaky: " + ", ".join(f"{number} x {text}" for text, number in words.most_common())


def _rate(count: Mapping[str, int], failed: int, clean: int) -> str:
    """How often it was not as expected; of a clean result what it could have missed."""
    judged = failed + clean
    rest = "".join(
        f"; {count[key]} {text}" for key, text in (("invalid", "not judged"), ("not-run", "not run")) if count[key]
    )
    if not judged:
        return rest.removeprefix("; ")
    text = f"not as expected in {rate_text(failed, judged)}"
    return f"{text}; {missed_text(judged)}{rest}" if not failed else f"{text}{rest}"


def _waive(lines: Sequence[Line]) -> str:
    return f"waived {lines[0].waive}" if lines[0].waive else ""


def _join(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def failed_percent(result: Result) -> str:
    """In how many of its judged repetitions a case was not as expected, for a narrow column."""
    return f"{result.failed}/{result.judged}, {percent(result.failed / result.judged)}" if result.judged else "-"
