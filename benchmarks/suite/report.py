"""The figures of a suite as lines for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.suite.figures import COLUMNS, PUBLISHED, Counts, Figures

LISTED = 40


def report(found: Figures) -> Iterator[str]:
    """The matrix, the figures beside published ones, and every program that was judged wrong."""
    yield from _matrix(found)
    yield ""
    yield from _table(
        ("", "TP", "FP", "TN", "FN", "recall", "precision", "accuracy"),
        [
            _row("verdicts", found.verdicts),
            _row("verdicts and findings", found.told),
            _row("deadlocks as hangs", found.deadlocks),
            *(_row(f"{name} (published)", Counts(*counts)) for name, counts in PUBLISHED.items()),
        ],
    )
    yield ""
    yield f"deadlocks proved: {_ratio(found.proved)}"
    yield f"blame right, where ranks or lines are known: {_ratio(found.blame)}"
    yield f"median answer after the last block of the hangs: {_seconds(found.answer_s)}"
    yield f"median time of a program: {_seconds(found.total_s)}"
    for title, names in (
        ("false hangs", found.false_hangs),
        ("false alarms", found.false_alarms),
        ("missed", found.missed),
        ("not judged", found.not_judged),
    ):
        yield f"{title}: {len(names)}"
        yield from (f"  {name}" for name in names[:LISTED])
        if len(names) > LISTED:
            yield f"  ... and {len(names) - LISTED} more (--json lists all)"


def _matrix(found: Figures) -> Iterator[str]:
    rows = [(category, *(str(row[column]) for column in COLUMNS)) for category, row in found.matrix.items()]
    yield from _table(("category", *COLUMNS), rows)


def _row(name: str, counts: Counts) -> tuple[str, ...]:
    numbers = (str(number) for number in (counts.tp, counts.fp, counts.tn, counts.fn))
    return (name, *numbers, *(_share(share) for share in (counts.recall, counts.precision, counts.accuracy)))


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    for row in (head, *rows):
        first, *others = (
            word.ljust(width) if not place else word.rjust(width) for place, (word, width) in _with(row, widths)
        )
        yield "  ".join([first, *others]).rstrip()


def _with(row: Sequence[str], widths: Sequence[int]) -> Iterator[tuple[int, tuple[str, int]]]:
    yield from enumerate(zip(row, widths, strict=True))


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


def _ratio(ratio: tuple[int, int]) -> str:
    right, whole = ratio
    return f"{right}/{whole}" + (f" ({right / whole:.3f})" if whole else "")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
