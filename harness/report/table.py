"""The table of a run for people: in colour on a terminal, plain and of one width anywhere else."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lockstep.harness.report.line import Line
from lockstep.harness.report.markdown import counts
from lockstep.harness.report.result import GREEN, Result, failed_percent, results, undetected_text
from lockstep.harness.terminal import clean

PLAIN_WIDTH = 160
NARROW = 110
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
    if file.isatty():
        _print(lines, Console(file=file, highlight=False), details)
        return
    # Nothing from the environment, no colour, no padding at the ends: a log looks the same whoever writes it.
    text = io.StringIO()
    _print(lines, Console(file=text, width=PLAIN_WIDTH, color_system=None, force_terminal=False, _environ={}), details)
    plain = "".join(f"{row.rstrip()}\n" for row in text.getvalue().splitlines())
    encoding = getattr(file, "encoding", None) or "utf-8"
    file.write(plain.encode(encoding, "replace").decode(encoding))


def _print(lines: Sequence[Line], console: Console, details: bool) -> None:
    found = results(lines)
    shown = [result for result in found if details or result.standing != "expected"]
    if shown:
        console.print(_table(shown, console.width < NARROW))
    for result in found:
        if result.note:
            console.print(Text(clean(f"{result.case}: {result.note}"), style=STANDING[result.standing][1]), soft_wrap=True)
    bad = next((result for result in found if result.standing not in GREEN), None)
    console.print(Text(counts(lines), style=STANDING[bad.standing][1] if bad else "green"))
    if missed := undetected_text(found):
        console.print(Text(clean(missed), style="bold red"), soft_wrap=True)


def _table(found: Sequence[Result], narrow: bool) -> Table:
    """`narrow`: in 80 columns."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    # How a case stands comes first: what does not fit falls off at the end. Long words are folded, never cut: a case's name
    # is what one types after -k.
    table.add_column("", overflow="fold", width=8 if narrow else None)
    table.add_column("case", overflow="fold", ratio=5, min_width=18)
    table.add_column("outcome", overflow="fold", width=7 if narrow else None)
    table.add_column("cause", overflow="fold", width=10 if narrow else None)
    table.add_column("blame", overflow="fold", ratio=5, min_width=12)
    table.add_column("verdict after", justify="right", overflow="fold", width=7 if narrow else None)
    for result in found:
        word, style = STANDING[result.standing]
        if result.standing == "flaky":
            word = f"{word} {failed_percent(result)}"
        line = result.line
        # Text, not markup: a case's name has brackets.
        table.add_row(
            Text(word, style),
            Text(clean(line.case)),
            Text(line.outcome),
            Text(clean(_cause(line))),
            Text(clean(_blame(line))),
            line.verdict_after,
        )
    return table


def _cause(line: Line) -> str:
    proof = {True: "proved", False: "not proved", None: ""}[line.proved]
    return ", ".join(filter(None, (line.cause, proof))) or "-"


def _blame(line: Line) -> str:
    if line.blame_ranks:
        return f"rank{'s' * (not line.blame_ranks.isdigit())} {line.blame_ranks}: {line.blame_words}"
    return line.text if line.standing in ("invalid", "not-run") else "-"
