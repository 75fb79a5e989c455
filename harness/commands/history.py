"""`lockstep history`: how often each scenario or watched program failed over all runs, by engine commit and versions."""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lockstep.harness.commands import Subparsers
from lockstep.harness.rates import percent
from lockstep.harness.report.destination import no_root
from lockstep.harness.report.history import history_frame, rates, update
from lockstep.harness.report.pages.make import make_history_page
from lockstep.harness.report.store import ROOT
from lockstep.harness.scenario.errors import ScenarioError

HEADS = ("scenario", "since", "until", "last failed", "failed", "95 % interval", "hangs")
MORE = {"program": "program", "engine_commit": "commit", "libraries": "libraries", "device": "device"}
WIDTH = 120  # where the output is no terminal


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
        raise ScenarioError(no_root(arguments.reports))
    frame = history_frame(update(arguments.reports, arguments.rebuild))
    make_history_page(arguments.reports, frame)
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
    """In 80 columns: versions and devices have a column only where they differ."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH, color_system=None)
    several = [name for name in MORE if found[name].nunique() > 1]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for head in (*HEADS, *(MORE[name] for name in several)):
        table.add_column(head, overflow="fold")
    for row in found.sort_values(["scenario", "program", "first"], kind="stable").itertuples(index=False):
        launches = f"{row.failed}/{row.launches}" + (f", {row.not_judged} not judged" if row.not_judged else "")
        interval = f"{percent(row.low)} to {percent(row.high)}" if row.launches else "-"
        more = (str(getattr(row, name) or "-")[: 12 if name == "engine_commit" else None] for name in several)
        cells = (row.scenario, row.first, row.last, row.last_failed or "-", launches, interval, str(row.hangs), *more)
        table.add_row(*map(Text, cells))
    out = io.StringIO()
    Console(file=out, width=console.width, color_system=None, _environ={}).print(table)
    print("".join(f"{line.rstrip()}\n" for line in out.getvalue().splitlines()), end="")
    for name in (name for name in MORE if name not in several and len(found) and (name != "program" or found[name].iloc[0])):
        print(f"{MORE[name]}: {found[name].iloc[0] or 'not known'}")
