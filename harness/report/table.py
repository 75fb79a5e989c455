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

PLAIN_WIDTH = 160
STANDING = {
    "expected": ("ok", "green"),
    "unexpected": ("NOT AS EXPECTED", "bold red"),
    "invalid": ("NOT JUDGED", "bold yellow"),
    "flaky": ("FLAKY", "bold red"),
    "waived": ("waived", "yellow"),
    "not-run": ("NOT RUN", "bold yellow"),
}


def show(lines: Sequence[Line], file: TextIO | None = None) -> None:
    """Print the table and how many cases were as expected. Default: stderr, as everything for people."""
    file = sys.stderr if file is None else file
    if file.isatty():
        _print(lines, Console(file=file, highlight=False))
        return
    # Nothing from the environment, no colour, no padding at the ends: a log looks the same whoever writes it.
    text = io.StringIO()
    _print(lines, Console(file=text, width=PLAIN_WIDTH, color_system=None, force_terminal=False, _environ={}))
    plain = "".join(f"{row.rstrip()}\n" for row in text.getvalue().splitlines())
    encoding = getattr(file, "encoding", None) or "utf-8"
    file.write(plain.encode(encoding, "replace").decode(encoding))


def _print(lines: Sequence[Line], console: Console) -> None:
    found = results(lines)
    console.print(_table(found))
    for result in found:
        if result.note:
            console.print(Text(f"{result.case}: {result.note}", style=STANDING[result.standing][1]), soft_wrap=True)
    bad = next((result for result in found if result.standing not in GREEN), None)
    console.print(Text(counts(lines), style=STANDING[bad.standing][1] if bad else "green"))
    if missed := undetected_text(found):
        console.print(Text(missed, style="bold red"), soft_wrap=True)


def _table(found: Sequence[Result]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    # Long words are folded, never cut: a case's name is what one types after -k.
    table.add_column("case", overflow="fold", ratio=5, min_width=20)
    table.add_column("outcome", overflow="fold", min_width=7)
    table.add_column("cause", overflow="fold", min_width=10)
    table.add_column("blame", overflow="fold", ratio=5, min_width=16)
    table.add_column("verdict after", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for result in found:
        word, style = STANDING[result.standing]
        if result.standing == "flaky":
            word = f"{word} {failed_percent(result)}"
        line = result.line
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
    return line.text if line.standing in ("invalid", "not-run") else "-"


def _time(line: Line) -> str:
    """From the last block where there was one, as that is what a detector is measured by; else from the start."""
    if line.last_block_to_verdict_s is not None:
        return f"{line.last_block_to_verdict_s:.2f} s"
    return "-" if line.start_to_verdict_s is None else f"{line.start_to_verdict_s:.1f} s"
