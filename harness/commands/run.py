"""`lockstep run SCENARIO...`: launch, judge, report. Exit code 0 as expected, 1 not, 2 bad input, 3 nothing judged."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from harness.campaign.devices import Machine, assign
from harness.campaign.display import Bar
from harness.campaign.needs import complete
from harness.campaign.packing import Packing
from harness.campaign.run import EXIT_NOTHING_JUDGED, Run
from harness.commands import Subparsers
from harness.commands.selection import add_selection, selected
from harness.launch.gpus import gpus, torch_has_cuda
from harness.launch.launcher import find
from harness.launch.probe import environment, usable_cores
from harness.report import table
from harness.report.store import ROOT, RunStore
from harness.scenario.errors import ScenarioError


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("run", help="run scenarios and judge every case")
    add_selection(parser)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where there is one")
    parser.add_argument("--launcher", choices=("auto", "hydra", "prrte"), default="auto", help="which mpiexec to use")
    parser.add_argument(
        "--jobs", default="1", metavar="N", help="cases at once, or auto: as many as this host has cores for"
    )
    parser.add_argument("--reports", type=Path, default=ROOT, metavar="DIR", help=f"where runs are kept ({ROOT})")
    parser.add_argument("--run-id", metavar="ID", help="name of the run (default: made from the time)")
    parser.add_argument("--json", action="store_true", help="print one JSON line a case on stdout")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the selected cases."""
    signal.signal(signal.SIGTERM, _interrupt)  # end the ranks in order, as after Ctrl-C
    try:
        packing = Packing.parse(arguments.jobs, usable_cores())
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    machine = Machine(gpus(), torch_has_cuda())
    given, left_out = complete(selected(arguments))
    cases, said = assign(given, arguments.device, machine)
    print("\n".join([*said, *left_out]), file=sys.stderr)
    launcher = find(arguments.launcher)
    store = RunStore.create(arguments.reports, arguments.run_id, sys.argv, environment(arguments.launcher), cases)
    try:
        with Bar(len(cases)) as bar:
            code = Run(store, launcher, bar, arguments.values, packing).all(cases)
    finally:
        table.show(store.lines)
        print(f"reports: {store.path}", file=sys.stderr)
    if arguments.json:
        for line in store.lines:
            print(json.dumps(line.flat()))
    if code == EXIT_NOTHING_JUDGED:
        print("nothing could be judged; `lockstep doctor` checks this machine", file=sys.stderr)
    return code


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt
