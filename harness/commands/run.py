"""`lockstep run SCENARIO...`: launch, judge, report. docs/verdicts.md has the exit codes."""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from lockstep.harness.campaign.display import Detail, Display
from lockstep.harness.campaign.run import Run
from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.allocation import allocated_for, budget_s
from lockstep.harness.commands.hosts import HostOptions, add_fresh, add_hosts, add_launcher
from lockstep.harness.commands.plan_options import PlanOptions, add_planning
from lockstep.harness.commands.planning import RunPlan, again, make
from lockstep.harness.commands.selection import add_selection
from lockstep.harness.commands.site import Site, site_of
from lockstep.harness.launch import allocation
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.fork_servers import ForkServers
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.probe import environment
from lockstep.harness.placement.pool import jobs_of
from lockstep.harness.report import files, names, table
from lockstep.harness.report.exit_code import EXIT_NOTHING_JUDGED
from lockstep.harness.report.live.serving import serving
from lockstep.harness.report.pages.make import make_run_page
from lockstep.harness.report.result import RED
from lockstep.harness.report.store import LOCK, ROOT, RunStore, find_run
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.shell import command_line
from lockstep.harness.stop_signals import StopSignals


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("run")
    add_selection(parser, nargs="*")
    add_planning(parser)
    add_hosts(parser)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where there is one")
    add_launcher(parser)
    add_fresh(parser)
    parser.add_argument("--jobs", default="1", metavar="N", help="cases at once, or auto: as many as fit on the hosts")
    parser.add_argument("--gpu-share", type=int, default=4, metavar="N", help="small cases that may share a GPU (4)")
    parser.add_argument(
        "--budget",
        metavar="SECONDS",
        help="for the whole run: what likely needs more than is left is not begun (auto: what is left of a Slurm job)",
    )
    parser.add_argument(
        "--retries", type=int, default=1, metavar="N", help="when a launch failed or a node was lost: try again so often (1)"
    )
    parser.add_argument("--resume", metavar="RUN", help="continue this run: what was judged is kept")
    parser.add_argument("--reports", type=Path, default=ROOT, metavar="DIR", help=f"where runs are kept ({ROOT})")
    parser.add_argument("--run-id", metavar="ID", help="name of the run (default: made from the time)")
    parser.add_argument(
        "--serve", action="store_true", help="a page of the run while it goes on, on this machine's loopback"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line a case on stdout")
    detail = parser.add_mutually_exclusive_group()
    detail.add_argument(
        "-q", "--quiet", dest="detail", action="store_const", const=Detail.LESS, help="only what is not as expected"
    )
    detail.add_argument(
        "-v", "--verbose", dest="detail", action="store_const", const=Detail.MORE, help="with the sentence of each verdict"
    )
    parser.add_argument("-x", "--exitfirst", action="store_true", help="begin no case after the first not as expected")
    parser.set_defaults(detail=Detail.USUAL)
    parser.set_defaults(run=run)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `lockstep run` was told. `jobs`: cases at once; None: as many as fit."""

    plan: PlanOptions
    jobs: int | None
    gpu_share: int
    budget: str | None
    retries: int
    resume: str | None
    reports: Path
    run_id: str | None
    json: bool
    serve: bool
    detail: Detail
    exit_first: bool
    fresh: bool

    @staticmethod
    def of(arguments: argparse.Namespace) -> RunOptions:
        """As the command line says. Raises ScenarioError for what makes no sense."""
        plan = PlanOptions.of(arguments)
        try:
            jobs = jobs_of(arguments.jobs)
        except ValueError as error:
            raise ScenarioError(str(error)) from error
        if arguments.gpu_share < 1:
            raise ScenarioError(f"--gpu-share {arguments.gpu_share}: give a number from 1 on")
        if arguments.retries < 0:
            raise ScenarioError(f"--retries {arguments.retries}: give a number from 0 on")
        budget_s(arguments.budget)
        if arguments.resume and arguments.run_id:
            raise ScenarioError("--run-id names a new run; --resume goes on with one that has its name")
        return RunOptions(
            plan,
            jobs,
            arguments.gpu_share,
            arguments.budget,
            arguments.retries,
            arguments.resume,
            arguments.reports,
            arguments.run_id,
            arguments.json,
            arguments.serve,
            arguments.detail,
            arguments.exitfirst,
            arguments.fresh,
        )


def run(arguments: argparse.Namespace) -> int:
    """Run the cases that are meant, or what is left of a run."""
    with StopSignals().heard() as stop_signals:
        options = RunOptions.of(arguments)
        return _go_on(options, options.resume, stop_signals) if options.resume else _begin(options, stop_signals)


def _begin(options: RunOptions, stop_signals: StopSignals) -> int:
    """A new run."""
    wanted = options.plan
    every = wanted.selection.all_cases()  # before any host is asked
    with allocated_for(wanted.hosts, wanted.selection.narrow(every)):
        site, launcher = _site(options, wanted.hosts)
        made = make(wanted, site, every)
        facts = site.environment(environment(wanted.hosts.launcher))
        store = RunStore.create(options.reports, options.run_id, sys.argv, facts, made.plan, made.options)
        with files.held(store.path / LOCK):
            return _run(options, wanted, store, made, site, launcher, stop_signals)


def _go_on(options: RunOptions, name: str, stop_signals: StopSignals) -> int:
    """What is left of a run, which nobody else may be at."""
    folder = find_run(name, options.reports).resolve()
    try:
        with files.held(folder / LOCK):
            return _resume(options, folder, stop_signals)
    except BlockingIOError as error:
        raise ScenarioError(f"run {folder.name} is still going on; its process holds {folder / LOCK}") from error


def _resume(options: RunOptions, folder: Path, stop_signals: StopSignals) -> int:
    try:
        store = RunStore.open(folder)
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    wanted = options.plan.recalled(store.run)
    every = wanted.selection.all_cases()
    planned = {entry["id"] for entry in store.run["plan"]}
    with allocated_for(wanted.hosts, [case for case in every if case.id in planned]):
        site, launcher = _site(options, wanted.hosts)
        facts = site.environment(environment(wanted.hosts.launcher))
        made = again(wanted, site, every, store.run, facts, recalled=wanted is not options.plan)
        store.take_in()
        told = {"at": names.now(), "argv": sys.argv, "host": platform.node()}
        files.append_line(store.path / "resumed.jsonl", told)
        return _run(options, wanted, store, made, site, launcher, stop_signals)


def _run(
    options: RunOptions,
    wanted: PlanOptions,
    store: RunStore,
    made: RunPlan,
    site: Site,
    launcher: Launcher,
    stop_signals: StopSignals,
) -> int:
    """What of a plan has no verdict yet."""
    print("\n".join(made.said), file=sys.stderr)
    display = Display(len(made.plan), stop_signals, detail=options.detail)
    fork_servers = ForkServers()
    going = Run(
        store,
        launcher,
        display,
        wanted.selection.values,
        site.pool,
        retries=options.retries,
        budget_s=budget_s(options.budget),
        stop_signals=stop_signals,
        exit_first=options.exit_first,
        fork_servers=None if options.fresh else fork_servers,
    )
    signal.signal(signal.SIGUSR1, lambda signum, frame: going.no_more.set())
    kept = [store.line(one.case, one.repetition) for one in made.plan if going.kept(one)]
    if options.resume:
        print(f"run {store.id}: {len(kept)} of {len(made.plan)} cases are judged and kept", file=sys.stderr)

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    at_end = ""
    try:
        with serving(store.path, options.serve, say), fork_servers, display:
            display.skip(len(kept), sum(line.standing in RED for line in kept))
            code = going.all(made.plan)
    except KeyboardInterrupt:
        where = ["--reports", options.reports] if options.reports != ROOT else []
        at_end = f"to go on: {command_line(['lockstep', 'run', '--resume', store.id, *where])}"
        raise
    finally:
        table.show(store.lines, details=options.detail is not Detail.LESS)
        display.recall(store.lines)
        print(f"reports: {store.path}", file=sys.stderr)
        if page := make_run_page(store):
            print(f"page: {page}", file=sys.stderr)
        if at_end:
            print(at_end, file=sys.stderr)
    if options.json:
        for line in store.lines:
            print(json.dumps(line.flat()))
    if code == EXIT_NOTHING_JUDGED:
        print("nothing could be judged; `lockstep doctor` checks this machine", file=sys.stderr)
    return code


def _site(options: RunOptions, where: HostOptions) -> tuple[Site, Launcher]:
    """The hosts of the run, before there is one, and what starts ranks there."""
    hosts, launcher = where.load(), find(where.launcher)
    named = where.named or bool(allocation.job())
    return site_of(hosts, launcher, options.jobs, named, options.gpu_share), launcher
