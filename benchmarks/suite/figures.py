"""How often the verdicts of a suite were right: the confusion matrix by category, and what follows from it. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.suite.result import Result
from benchmarks.suite.table import Program

# True and false positives and negatives as they were published with the MPI Bugs Initiative's codes.
PUBLISHED = {"MUST 1.7": (83, 10, 79, 15), "ISP 0.3.1": (69, 32, 70, 20), "PARCOACH": (18, 8, 80, 90)}
COLUMNS = ("hang proved", "hang", "raise", "crash", "slow", "finding", "success", "not judged")
Pair = tuple[Program, Result]


@dataclass(frozen=True, slots=True)
class Counts:
    """True and false positives and negatives."""

    tp: int = 0
    fp: int = 0
    tn: int = 0
    fn: int = 0

    @property
    def recall(self) -> float | None:
        """Of the faulty ones, those that were told."""
        return _share(self.tp, self.tp + self.fn)

    @property
    def precision(self) -> float | None:
        """Of those that were told, the faulty ones."""
        return _share(self.tp, self.tp + self.fp)

    @property
    def accuracy(self) -> float | None:
        """Those that were judged right."""
        return _share(self.tp + self.tn, self.tp + self.tn + self.fp + self.fn)


@dataclass(frozen=True, slots=True)
class Figures:
    """All that is printed."""

    matrix: Mapping[str, Counter[str]]  # category -> column -> programs
    verdicts: Counts  # by outcomes alone
    told: Counts  # findings of a success counted as well
    deadlocks: Counts  # of the programs of which it is known whether they are one: hangs
    proved: tuple[int, int]  # of the deadlocks: proved, all that were judged
    blame: tuple[int, int]  # of the faulty that were told and whose truth names ranks or lines: right, all
    answer_s: float | None  # the median of the hangs
    total_s: float | None
    false_hangs: Sequence[str] = field(default_factory=list)
    false_alarms: Sequence[str] = field(default_factory=list)  # correct ones that were told, hangs among them
    missed: Sequence[str] = field(default_factory=list)
    not_judged: Sequence[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As JSON-able data."""
        counts = {name: getattr(self, name) for name in ("verdicts", "told", "deadlocks")}
        return {
            "matrix": {category: dict(row) for category, row in self.matrix.items()},
            **{name: _counts_json(found) for name, found in counts.items()},
            "proved": _ratio_json(self.proved),
            "blame_right": _ratio_json(self.blame),
            "median_answer_s": self.answer_s,
            "median_total_s": self.total_s,
            **{name: list(getattr(self, name)) for name in ("false_hangs", "false_alarms", "missed", "not_judged")},
            "published": {name: _counts_json(Counts(*found)) for name, found in PUBLISHED.items()},
        }


def figures(pairs: Sequence[Pair]) -> Figures:
    """From programs and what was said of them."""
    matrix: dict[str, Counter[str]] = {}
    for program, result in sorted(pairs, key=lambda pair: (not pair[0].correct, pair[0].category)):
        matrix.setdefault(program.category, Counter())[column(result)] += 1
    judged = [(program, result) for program, result in pairs if result.judged]
    known = [(program, result) for program, result in judged if program.deadlock is not None or program.correct]
    deadly = [result for program, result in judged if program.deadlock]
    named = [pair for pair in judged if pair[1].told and not pair[0].correct and (pair[0].blame or pair[0].lines)]
    answers = [result.answer_s for _, result in judged if result.outcome == "hang" and result.answer_s is not None]
    alarms = [program.name for program, result in judged if program.correct and result.told]
    return Figures(
        matrix,
        _counts([(not program.correct, result.red) for program, result in judged]),
        _counts([(not program.correct, result.told) for program, result in judged]),
        _counts([(bool(program.deadlock), result.outcome == "hang") for program, result in known]),
        (sum(result.proved for result in deadly), len(deadly)),
        (sum(blame_right(program, result) for program, result in named), len(named)),
        statistics.median(answers) if answers else None,
        statistics.median(result.total_s for _, result in judged) if judged else None,
        [program.name for program, result in judged if program.deadlock is not True and false_hang(program, result)],
        alarms,
        [program.name for program, result in judged if not program.correct and not result.told],
        [f"{result.name}: {result.outcome}: {result.text}" for _, result in pairs if not result.judged],
    )


def column(result: Result) -> str:
    """Where a result stands in the matrix."""
    if not result.judged:
        return "not judged"
    if result.outcome == "success":
        return "finding" if result.told else "success"
    return "hang proved" if result.outcome == "hang" and result.proved else result.outcome


def false_hang(program: Program, result: Result) -> bool:
    """Whether something is called a hang that is none: a correct program, or a faulty one that is known to end."""
    return result.outcome == "hang" and (program.correct or program.deadlock is False)


def blame_right(program: Program, result: Result) -> bool:
    """Whether the blamed ranks are those whose fault it is, or one of the wrong lines is named."""
    return bool(program.blame and program.blame == set(result.blamed)) or bool(program.lines.intersection(result.lines))


def _counts(pairs: Sequence[tuple[bool, bool]]) -> Counts:
    found = Counter(pairs)
    return Counts(found[True, True], found[False, True], found[False, False], found[True, False])


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _counts_json(found: Counts) -> dict[str, Any]:
    return {
        **{name: getattr(found, name) for name in ("tp", "fp", "tn", "fn")},
        **{name: getattr(found, name) for name in ("recall", "precision", "accuracy")},
    }


def _ratio_json(found: tuple[int, int]) -> dict[str, Any]:
    return {"right": found[0], "of": found[1], "share": _share(*found)}
