"""`lockstep merge RUN...`: one night of its shards and of downloaded artifacts. Exit codes as of `lockstep run`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lockstep.harness.campaign.merge import merge
from lockstep.harness.commands import Subparsers
from lockstep.harness.report import table
from lockstep.harness.report.exit_code import exit_code
from lockstep.harness.report.pages.make import make_pages
from lockstep.harness.report.store import ROOT, RunStore, find_run
from lockstep.harness.scenario.errors import ScenarioError


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("merge")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="a run id, or the folder of a run, also one from elsewhere")
    parser.add_argument("--reports", type=Path, default=ROOT, metavar="DIR", help=f"where runs are kept ({ROOT})")
    parser.add_argument("--run-id", metavar="ID", help="name of the new run (default: made from the time)")
    parser.set_defaults(run=merge_runs)


def merge_runs(arguments: argparse.Namespace) -> int:
    """Make the run and show what is in it."""
    try:
        stores = [RunStore.open(find_run(name, arguments.reports)) for name in arguments.runs]
    except ValueError as error:
        raise ScenarioError(f"lockstep merge: {error}") from error
    made, said = merge(stores, arguments.reports, arguments.run_id, sys.argv)
    for sentence in said:
        print(sentence, file=sys.stderr)
    table.show(made.lines)
    print(f"reports: {made.path}", file=sys.stderr)
    if page := make_pages(made):
        print(f"page: {page}", file=sys.stderr)
    return exit_code(made.lines)
