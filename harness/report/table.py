"""The table of a run for people: in colour on a terminal, plain and 80 columns wide anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.console import Console
from rich.text import Text

from lockstep.harness.report.line import Line
from lockstep.harness.report.markdown import counts
from lockstep.harness.report.result import GREEN, Result, failed_percent, results, undetected_text
from lockstep.harness.report.width import columns, entry, wrapped
from lockstep.harness.terminal import clean

INDENT = 5  # of what is said below a case
STANDING = {
    "expected": ("ok", "green"),
    "unexpected": ("NOT AS EXPECTED", "bold red"),
    "invalid": ("NOT JUDGED", "bold yellow"),
    "flaky": ("FLAKY", "bold red"),
    "waived": ("waived", "yellow"),
    "not-run": ("NOT RUN", "bold yellow"),
}


def show(lines: Sequence[Line], file: TextIO | None = None, details: bool = True) -> None:
    """Print the table and how many cases were as expected. Default: stderr, as everything for people.

    `details`: also of the cases that are as expected.
    """
    file = sys.stderr if file is None else file
    rows = list(table_rows(lines, columns(file), details))
    if file.isatty():
        console = Console(file=file, highlight=False)
        for row in rows:
            console.print(row, soft_wrap=True)
        return
    # No colour and nothing that a terminal would say: a log looks the same whoever writes it.
    plain = "".join(f"{row.plain}\n" for row in rows)
    encoding = getattr(file, "encoding", None) or "utf-8"
    file.write(plain.encode(encoding, "replace").decode(encoding))


def table_rows(lines: Sequence[Line], width: int, details: bool = True) -> Iterator[Text]:
    """What is printed, in rows of at most `width` cells; only a word without room, as the name of a case, sticks out."""
    found = results(lines)
    shown = [result for result in found if details or result.standing != "expected"]
    if shown:
        yield Text("")
    for result in shown:
        yield from _told(result, width)
    for result in found:
        if result.note:
            rows = wrapped(_plain(f"{result.case}: {result.note}"), width, 0, INDENT)
            yield from (Text(row, STANDING[result.standing][1]) for row in rows)
    bad = next((result for result in found if result.standing not in GREEN), None)
    yield from (Text(row, STANDING[bad.standing][1] if bad else "green") for row in wrapped(counts(lines), width))
    if missed := undetected_text(found):
        yield from (Text(row, "bold red") for row in wrapped(_plain(missed), width))


def _told(result: Result, width: int) -> Iterator[Text]:
    """How a case stands, then its whole name, which one searches a log for and types after --case; what came of it; whose
    fault that is. A row begins with a space: those of cases that were told while they ran do not."""
    line = result.line
    word, style = STANDING[result.standing]
    if result.standing == "flaky":
        word = f"{word} {failed_percent(result)}"
    lead = f" {word:{INDENT - 2}} "
    after = f" after {line.verdict_after}" if line.verdict_after != "-" else ""
    first, *rest = entry(lead, _plain(line.case), f"{_plain(line.words)}{after}", width, INDENT)
    yield Text.assemble((first[: len(lead)], style), first[len(lead) :])
    yield from map(Text, (*rest, *wrapped(_plain(_blame(line)), width, INDENT)))


def _plain(text: str) -> str:
    """On one row, without what acts on a terminal."""
    return " ".join(clean(text).split())


def _blame(line: Line) -> str:
    if line.blame_ranks:
        return f"rank{'s' * (not line.blame_ranks.isdigit())} {line.blame_ranks}: {line.blame_words}"
    return line.text if line.standing in ("invalid", "not-run") else ""
