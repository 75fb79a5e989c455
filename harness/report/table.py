"""The table of a run for people: in colour on a terminal, plain and of one width anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report.line import Line
from harness.report.markdown import counts

PLAIN_WIDTH = 140
STANDING = {
    "expected": ("ok", "green"),
    "unexpected": ("NOT AS EXPECTED", "bold red"),
    "invalid": ("NOT JUDGED", "bold yellow"),
}


def show(lines: Sequence[Line], file: TextIO | None = None) -> None:
    """Print the table and how many cases were as expected. Default: stderr, as everything for people."""
    console = _console(sys.stderr if file is None else file)
    console.print(_table(lines))
    bad = next((line for line in lines if line.standing != "expected"), None)
    console.print(Text(counts(lines), style=STANDING[bad.standing][1] if bad else "green"))


def _console(file: TextIO) -> Console:
    if file.isatty():
        return Console(file=file, highlight=False)
    # Nothing from the environment: a log looks the same whoever writes it.
    return Console(file=file, width=PLAIN_WIDTH, color_system=None, force_terminal=False, highlight=False, _environ={})


def _table(lines: Sequence[Line]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    # Long words are folded, never cut: a case's name is what one types after -k.
    table.add_column("case", overflow="fold", ratio=5, min_width=20)
    table.add_column("outcome", overflow="fold", min_width=7)
    table.add_column("cause", overflow="fold", min_width=10)
    table.add_column("blame", overflow="fold", ratio=5, min_width=16)
    table.add_column("verdict after", justify="right", no_wrap=True)
    table.add_column("", overflow="fold", min_width=4)
    for line in lines:
        word, style = STANDING[line.standing]
        # Text, not markup: a case's name has brackets.
        table.add_row(
            Text(line.case), Text(line.outcome), Text(_cause(line)), Text(_blame(line)), _time(line), Text(word, style)
        )
    return table


def _cause(line: Line) -> str:
    proof = {True: "proved", False: "not proved", None: ""}[line.proved]
    return ", ".join(filter(None, (line.cause, proof))) or "-"


def _blame(line: Line) -> str:
    if line.blame_ranks:
        return f"rank{'s' * (not line.blame_ranks.isdigit())} {line.blame_ranks}: {line.blame_words}"
    return line.text if line.outcome == "invalid" else "-"


def _time(line: Line) -> str:
    """From the last block where there was one, as that is what a detector is measured by; else from the start."""
    if line.last_block_to_verdict_s is not None:
        return f"{line.last_block_to_verdict_s:.2f} s"
    return "-" if line.start_to_verdict_s is None else f"{line.start_to_verdict_s:.1f} s"
