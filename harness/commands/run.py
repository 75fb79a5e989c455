"""`lockstep run SCENARIO...`: launch, judge, report. docs/verdicts.md has the exit codes."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import sys
from pathlib import Path
from typing import Any

from harness.campaign.devices import Machine
from harness.campaign.display import Bar
from harness.campaign.gpu_pool import GpuPool
from harness.campaign.packing import Packing
from harness.campaign.run import EXIT_NOTHING_JUDGED, Run
from harness.commands import Subparsers
from harness.commands.hosts import add_hosts, add_launcher, hosts_of
from harness.commands.planning import Made, add_planning, again, check_selection, make
from harness.commands.selection import add_selection
from harness.commands.slurm import allocated, budget_s, end_in_order
from harness.launch.gpus import gpus, torch_has_cuda
from harness.launch.launcher import find
from harness.launch.probe import environment, usable_cores
from harness.report import files, names, table
from harness.report.store import LOCK, ROOT, RunStore, find_run
from harness.scenario.errors import ScenarioError


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("run", help="run scenarios and judge every case")
    add_selection(parser, nargs="*")
    add_planning(parser)
    add_hosts(parser)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where there is one")
    add_launcher(parser)
    parser.add_argument(
        "--jobs", default="1", metavar="N", help="cases at once, or auto: as many as this host has cores for"
    )
    parser.add_argument(
        "--budget", metavar="SECONDS", help="run no case for which this is too short; auto: a Slurm job's time"
    )
    parser.add_argument(
        "--retries", type=int, default=1, metavar="N", help="when a launch failed or a node was lost: try again so often (1)"
    )
    parser.add_argument("--resume", metavar="RUN", help="continue this run: what was judged is kept")
    parser.add_argument("--reports", type=Path, default=ROOT, metavar="DIR", help=f"where runs are kept ({ROOT})")
    parser.add_argument("--run-id", metavar="ID", help="name of the run (default: made from the time)")
    parser.add_argument("--json", action="store_true", help="print one JSON line a case on stdout")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the cases that are meant, or what is left of a run."""
    signal.signal(signal.SIGTERM, end_in_order)  # end the ranks in order, as after Ctrl-C
    check_selection(arguments)
    packing = _packing(arguments)
    if arguments.resume:
        folder = find_run(arguments.resume, arguments.reports).resolve()
        try:
            with files.held(folder / LOCK):
                return _go_on(arguments, folder, packing)
        except BlockingIOError as error:
            raise ScenarioError(f"run {folder.name} is still going on; its process holds {folder / LOCK}") from error
    with allocated(arguments):
        return _begin(arguments, packing)


def _begin(arguments: argparse.Namespace, packing: Packing) -> int:
    made = make(arguments, _machine())
    facts = environment(arguments.launcher)
    find(arguments.launcher)  # or say what is missing before there is a run
    store = RunStore.create(arguments.reports, arguments.run_id, sys.argv, facts, made.plan, made.options)
    with files.held(store.path / LOCK):
        return _run(arguments, store, made, packing)


def _go_on(arguments: argparse.Namespace, folder: Path, packing: Packing) -> int:
    if arguments.run_id:
        raise ScenarioError("--run-id names a new run; --resume goes on with one that has its name")
    try:
        store = RunStore.open(folder)
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    options: dict[str, Any] = {}
    if not (arguments.scenarios or arguments.all):
        options = store.run.get("options", {})
        arguments.launcher = options.get("launcher", arguments.launcher)
    with allocated(arguments, options):
        return _again(arguments, store, packing)


def _again(arguments: argparse.Namespace, store: RunStore, packing: Packing) -> int:
    made = again(arguments, _machine(), store.run, environment(arguments.launcher))
    store.take_in()
    told = {"at": names.now(), "argv": sys.argv, "host": platform.node()}
    files.append_line(store.path / "resumed.jsonl", told)
    return _run(arguments, store, made, packing)


def _run(arguments: argparse.Namespace, store: RunStore, made: Made, packing: Packing) -> int:
    print("\n".join(made.said), file=sys.stderr)
    several = packing.cases > 1 and any(one.case.spec["device"] == "cuda" for one in made.plan)
    pool = GpuPool.visible(len(gpus()), os.environ) if several else None
    bar = Bar(len(made.plan))
    going = Run(
        store,
        find(arguments.launcher),
        bar,
        arguments.values,
        packing,
        retries=arguments.retries,
        budget_s=budget_s(arguments.budget),
        hosts=hosts_of(arguments),
        pool=pool,
    )
    signal.signal(signal.SIGUSR1, lambda signum, frame: going.no_more.set())
    kept = sum(map(going.kept, made.plan))
    if arguments.resume:
        print(f"run {store.id}: {kept} of {len(made.plan)} cases are judged and kept", file=sys.stderr)
    try:
        with bar:
            bar.skip(kept)
            code = going.all(made.plan)
    finally:
        table.show(store.lines)
        print(f"reports: {store.path}", file=sys.stderr)
    if arguments.json:
        for line in store.lines:
            print(json.dumps(line.flat()))
    if code == EXIT_NOTHING_JUDGED:
        print("nothing could be judged; `lockstep doctor` checks this machine", file=sys.stderr)
    return code


def _packing(arguments: argparse.Namespace) -> Packing:
    try:
        packing = Packing.parse(arguments.jobs, usable_cores())
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    budget_s(arguments.budget)
    if arguments.retries < 0:
        raise ScenarioError(f"--retries {arguments.retries}: give a number from 0 on")
    return packing


def _machine() -> Machine:
    return Machine(gpus(), torch_has_cuda())
