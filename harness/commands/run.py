"""`lockstep run SCENARIO...`: launch, judge, report. docs/verdicts.md has the exit codes."""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
from pathlib import Path

from lockstep.harness.campaign.display import Bar
from lockstep.harness.campaign.run import Run
from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.allocation import allocated, budget_s, end_in_order
from lockstep.harness.commands.hosts import add_hosts, add_launcher, hosts_of
from lockstep.harness.commands.planning import RunPlan, add_planning, again, check_selection, make, recall
from lockstep.harness.commands.selection import add_selection, chosen, loaded
from lockstep.harness.commands.site import Site, site_of
from lockstep.harness.launch import allocation
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.probe import environment
from lockstep.harness.placement.pool import jobs_of
from lockstep.harness.report import files, names, table
from lockstep.harness.report.exit_code import EXIT_NOTHING_JUDGED
from lockstep.harness.report.store import LOCK, ROOT, RunStore, find_run
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.errors import ScenarioError


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("run", help="run scenarios and judge every case")
    add_selection(parser, nargs="*")
    add_planning(parser)
    add_hosts(parser)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where there is one")
    add_launcher(parser)
    parser.add_argument("--jobs", default="1", metavar="N", help="cases at once, or auto: as many as fit on the hosts")
    parser.add_argument("--gpu-share", type=int, default=4, metavar="N", help="small cases that may share a GPU (4)")
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
    jobs = _jobs(arguments)
    if arguments.resume:
        folder = find_run(arguments.resume, arguments.reports).resolve()
        try:
            with files.held(folder / LOCK):
                return _go_on(arguments, folder, jobs)
        except BlockingIOError as error:
            raise ScenarioError(f"run {folder.name} is still going on; its process holds {folder / LOCK}") from error
    every = loaded(arguments)  # before any host is asked
    cases = chosen(arguments, every)
    with allocated(arguments, [case.nodes for case in cases], [case.ranks for case in cases]):
        return _begin(arguments, jobs, every)


def _begin(arguments: argparse.Namespace, jobs: int | None, every: list[Case]) -> int:
    there = _site(arguments, jobs)
    made = make(arguments, there, every)
    facts = there.environment(environment(arguments.launcher))
    store = RunStore.create(arguments.reports, arguments.run_id, sys.argv, facts, made.plan, made.options)
    with files.held(store.path / LOCK):
        return _run(arguments, store, made, there)


def _go_on(arguments: argparse.Namespace, folder: Path, jobs: int | None) -> int:
    if arguments.run_id:
        raise ScenarioError("--run-id names a new run; --resume goes on with one that has its name")
    try:
        store = RunStore.open(folder)
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    recalled = recall(arguments, store.run)
    every = loaded(arguments)
    planned = {entry["id"] for entry in store.run["plan"]}
    cases = [case for case in every if case.id in planned]
    with allocated(arguments, [case.nodes for case in cases], [case.ranks for case in cases]):
        return _again(arguments, jobs, every, store, recalled)


def _again(arguments: argparse.Namespace, jobs: int | None, every: list[Case], store: RunStore, recalled: bool) -> int:
    there = _site(arguments, jobs)
    facts = there.environment(environment(arguments.launcher))
    made = again(arguments, there, every, store.run, facts, recalled)
    store.take_in()
    told = {"at": names.now(), "argv": sys.argv, "host": platform.node()}
    files.append_line(store.path / "resumed.jsonl", told)
    return _run(arguments, store, made, there)


def _run(arguments: argparse.Namespace, store: RunStore, made: RunPlan, there: Site) -> int:
    print("\n".join(made.said), file=sys.stderr)
    bar = Bar(len(made.plan))
    going = Run(
        store,
        find(arguments.launcher),
        bar,
        arguments.values,
        there.pool,
        retries=arguments.retries,
        budget_s=budget_s(arguments.budget),
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


def _site(arguments: argparse.Namespace, jobs: int | None) -> Site:
    """The hosts of the run, before there is one."""
    hosts = hosts_of(arguments)
    named = arguments.hosts is not None or bool(allocation.job())
    return site_of(hosts, find(arguments.launcher), jobs, named, arguments.gpu_share)


def _jobs(arguments: argparse.Namespace) -> int | None:
    try:
        jobs = jobs_of(arguments.jobs)
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    if arguments.gpu_share < 1:
        raise ScenarioError(f"--gpu-share {arguments.gpu_share}: give a number from 1 on")
    if arguments.retries < 0:
        raise ScenarioError(f"--retries {arguments.retries}: give a number from 0 on")
    budget_s(arguments.budget)
    return jobs
