"""`lockstep history`: how often each scenario failed, by engine commit and library versions, over all runs."""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lockstep.harness.commands import Subparsers
from lockstep.harness.report.history import history_frame, rates, update
from lockstep.harness.report.rates import percent
from lockstep.harness.report.store import ROOT
from lockstep.harness.scenario.errors import ScenarioError

HEADS = ("scenario", "commit", "libraries", "device", "runs", "launches", "not judged", "failed", "95 % interval", "hangs")
WIDTH = 160  # where the output is no terminal


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("history")
    parser.add_argument("--scenario", action="append", default=[], metavar="NAME", help="only this scenario")
    parser.add_argument("--rebuild", action="store_true", help="make the index anew from the folders of the runs")
    parser.add_argument("--reports", type=Path, default=ROOT, metavar="DIR", help=f"where runs are kept ({ROOT})")
    parser.add_argument("--json", action="store_true", help="print one JSON object a row")
    parser.set_defaults(run=history)


def history(arguments: argparse.Namespace) -> int:
    """Bring the index up to date and print the rates on stdout."""
    if not arguments.reports.is_dir():
        raise ScenarioError(f"{arguments.reports}: no such folder, so there are no runs")
    frame = history_frame(update(arguments.reports, arguments.rebuild))
    unknown = sorted({*arguments.scenario} - {*frame.scenario})
    if unknown:
        raise ScenarioError(f"no run has a scenario {', '.join(unknown)}; there are {', '.join(sorted({*frame.scenario}))}")
    if arguments.scenario:
        frame = frame[frame.scenario.isin(arguments.scenario)]
    found = rates(frame)
    if arguments.json:
        print(found.to_json(orient="records", lines=True), end="")
    else:
        _show(found)
    return 0


def _show(found: pd.DataFrame) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH, color_system=None)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in HEADS:
        table.add_column(head, overflow="fold")
    for row in found.itertuples(index=False):
        cells = (
            row.scenario, row.engine_commit[:12] or "-", row.libraries or "-", row.device or "-", row.runs, row.launches,
            row.not_judged, row.failed, f"{percent(row.low)} to {percent(row.high)}", row.hangs,
        )  # fmt: skip
        table.add_row(*(Text(str(cell)) for cell in cells))
    console.print(table)
