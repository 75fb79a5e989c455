"""`lockstep report RUN`: every report of a run made again from what is on disk."""

from __future__ import annotations

import argparse
from pathlib import Path

from lockstep.harness.commands import Subparsers
from lockstep.harness.report import table
from lockstep.harness.report.pages.make import make_pages
from lockstep.harness.report.rebuild import FORMATS, rebuild
from lockstep.harness.report.store import ROOT, RunStore, find_run
from lockstep.harness.scenario.errors import ScenarioError


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("report")
    parser.add_argument("run_id", metavar="RUN", nargs="?", default="latest", help="a run id or folder (default: latest)")
    parser.add_argument("--reports", type=Path, default=ROOT, metavar="DIR", help=f"where runs are kept ({ROOT})")
    formats = sorted(FORMATS)
    parser.add_argument(
        "--format",
        choices=formats,
        metavar="FORMAT",
        help=f"also print this report on stdout: {', '.join(formats)} (json: an object a line)",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write it there instead; a file is replaced whole")
    parser.set_defaults(run=report)


def report(arguments: argparse.Namespace) -> int:
    """Rebuild; 0 when the run could be read."""
    output: Path | None = arguments.output
    if output is not None and arguments.format is None:
        raise ScenarioError("--output takes the report that --format names; say which")
    if output is not None and (output.is_dir() or not output.absolute().parent.is_dir()):
        raise ScenarioError(f"--output {output}: give a file, in a folder that is there")
    folder = find_run(arguments.run_id, arguments.reports)
    try:
        lines = rebuild(folder, arguments.format, output=output)
    except ValueError as error:
        raise ScenarioError(f"lockstep report: {error}") from error
    make_pages(RunStore.open(folder))
    if arguments.format is None:
        table.show(lines)
    return 0
