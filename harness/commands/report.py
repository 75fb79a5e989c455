"""`lockstep report RUN`: every report of a run made again from what is on disk."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.commands import Subparsers
from harness.report import table
from harness.report.rebuild import FORMATS, rebuild
from harness.report.store import ROOT


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("report", help="rebuild the reports of a run, also of one that was killed")
    parser.add_argument("run_id", metavar="RUN", nargs="?", default="latest", help="a run id or folder (default: latest)")
    parser.add_argument("--format", choices=sorted(FORMATS), help="also print this report on stdout")
    parser.set_defaults(run=report)


def report(arguments: argparse.Namespace) -> int:
    """Rebuild; 0 when the run could be read."""
    folder = Path(arguments.run_id)
    if not (folder / "run.json").exists():
        folder = ROOT / arguments.run_id
    if not (folder / "run.json").exists():
        print(f"{arguments.run_id}: no such run (looked for run.json there and in {folder})", file=sys.stderr)
        return 2
    lines = rebuild(folder, arguments.format)
    if arguments.format is None:
        table.show(lines)
    return 0
