"""`lockstep bisect`: the first commit of an engine's repository that hangs, or the first that is fixed.

Exit code 0: one commit; 1: several are left; 2: what was asked for makes no sense; 3: an end could not be judged.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from lockstep.harness.bisect import page
from lockstep.harness.bisect.account import account_of
from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.judgement import SIGNATURE
from lockstep.harness.bisect.launches import Launches
from lockstep.harness.bisect.progress import Progress
from lockstep.harness.bisect.repository import Repository
from lockstep.harness.bisect.search import Options, Search
from lockstep.harness.bisect.state import ROOT, BisectionRequest, State
from lockstep.harness.bisect.suspects import Suspects
from lockstep.harness.bisect.worktrees import KEPT, Worktrees
from lockstep.harness.campaign.devices import Machine, assign
from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.hosts import HostOptions, add_hosts, add_launcher
from lockstep.harness.commands.selection import Selection, add_selection
from lockstep.harness.commands.site import site_of
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.probe import environment
from lockstep.harness.placement.pool import jobs_of
from lockstep.harness.scenario.case import Case

FOUND, SEVERAL = 0, 1


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("bisect")
    add_selection(parser, nargs="*")
    parser.add_argument("--repo", type=Path, metavar="DIR", help="the engine's git repository")
    parser.add_argument("--good", metavar="REV", help="a commit that does not hang")
    parser.add_argument("--bad", metavar="REV", help="a commit that hangs")
    parser.add_argument("--find", choices=("bad", "fixed"), default="bad", help="fixed: --bad is the older end")
    parser.add_argument("--signature", default="", metavar="HEX", help="what is bad (default: what the bad end shows)")
    parser.add_argument("--build", default="", metavar="CMD", help="run by sh in each checkout; where it fails is skipped")
    parser.add_argument("--tree", default=".", metavar="DIR", help="where in the repository the engine is")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="launches of each end; above 1 for a flaky hang")
    parser.add_argument("--confidence", type=float, default=0.95, metavar="P", help="how probable the result must be (0.95)")
    parser.add_argument("--most", type=int, metavar="N", help="stop after so many launches")
    parser.add_argument("--jobs", default="1", metavar="N", help="launches at once, or auto: as many as there are cores for")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where there is one")
    add_launcher(parser)
    add_hosts(parser)
    parser.add_argument("--state", type=Path, metavar="DIR", help=f"where this bisection is kept (default: in {ROOT})")
    parser.add_argument("--resume", action="store_true", help="go on with the bisection in --state, or the latest one")
    parser.add_argument("--json", action="store_true", help="print the report as JSON on stdout")
    parser.set_defaults(run=bisect)


@dataclass(frozen=True, slots=True)
class BisectOptions:
    """What `lockstep bisect` was told. `jobs`: launches at once; None: as many as there are cores for."""

    selection: Selection
    hosts: HostOptions
    repository: Path
    good: str
    bad: str
    find: str
    signature: str
    build: str
    tree: str
    device: str
    jobs: int | None
    search: Options
    state: Path | None
    resume: bool
    json: bool

    @staticmethod
    def of(arguments: argparse.Namespace) -> BisectOptions:
        """As the command line says. Raises BisectionError for what makes no sense."""
        try:
            jobs = jobs_of(arguments.jobs)
            search = Options(arguments.confidence, arguments.repeat, 1, arguments.most)
        except ValueError as error:
            raise BisectionError(str(error)) from error
        if arguments.resume:
            _check_nothing_is_given(arguments)
        else:
            _check_request(arguments)
        return BisectOptions(
            Selection.of(arguments),
            HostOptions.of(arguments),
            arguments.repo or Path(),
            arguments.good or "",
            arguments.bad or "",
            arguments.find,
            arguments.signature,
            arguments.build,
            arguments.tree,
            arguments.device,
            jobs,
            search,
            arguments.state,
            arguments.resume,
            arguments.json,
        )


def _check_nothing_is_given(arguments: argparse.Namespace) -> None:
    """Of what a bisection that goes on knows already."""
    names = ("repo", "good", "bad", "signature", "build", "words", "tag", "case", "values")
    given = [f"--{name}" for name in names if getattr(arguments, name)] + ["SCENARIO"] * bool(arguments.scenarios)
    if given:
        raise BisectionError(f"--resume goes on with what was asked for before: leave out {', '.join(given)}")


def _check_request(arguments: argparse.Namespace) -> None:
    """As far as that goes without the repository."""
    missing = [name for name in ("repo", "good", "bad") if not getattr(arguments, name)]
    if missing or not arguments.scenarios:
        names = [f"--{name}" for name in missing] + ([] if arguments.scenarios else ["SCENARIO"])
        raise BisectionError(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} missing (or --resume)")
    if Path(arguments.tree).is_absolute() or ".." in Path(arguments.tree).parts:
        raise BisectionError(f"--tree {arguments.tree}: give a folder in the repository, relative to its root")
    if arguments.signature and not re.fullmatch(SIGNATURE, arguments.signature):
        raise BisectionError(f"--signature {arguments.signature}: give the 12 hex digits of a verdict's signature")


def bisect(arguments: argparse.Namespace) -> int:
    """Bisect."""
    signal.signal(signal.SIGTERM, _interrupt)  # end the ranks in order, as after Ctrl-C
    options = BisectOptions.of(arguments)
    state = State.open(options.state) if options.resume else None
    asked = state.asked if state else _request(options)
    repository = Repository(Path(asked.repository))
    ends = (asked.good, asked.bad) if asked.find == "bad" else (asked.bad, asked.good)
    commits = repository.between(*ends)
    launcher = find(asked.launcher)
    where = HostOptions(asked.hosts, asked.interface, asked.launcher)
    site = site_of(where.load(), launcher, options.jobs, where.named)
    if state is None:
        asked = _on_device(asked, options.device, site.machine)
    pool = site.pool
    request = pool.request(Case.from_json(asked.case))
    if state is None:
        state = State.create(options.state, asked, sys.argv, environment(asked.launcher))
    os.chdir(state.path)  # supervisors start here, where no module of the repository can be taken for one of ours
    suspects = Suspects([commit.parents for commit in commits.commits], "bad" if asked.find == "bad" else "fixed")
    at_once = pool.at_once(request)
    progress = Progress(commits, suspects)
    print(f"{suspects.count} commits; case {asked.case['id']}; state: {state.path}", file=sys.stderr)
    with Worktrees(repository, state.path / "trees", max(KEPT, at_once)) as worktrees:
        launches = Launches(state, commits, suspects, worktrees, launcher, pool, progress.launched, progress.skipped)
        how = replace(options.search, jobs=at_once)
        search = Search(suspects, launches.evidence, how, launches.run, launches.build_cost, progress.left)
        if launches.evidence.launches:
            print(f"{launches.evidence.launches} launches are on disk and are not repeated", file=sys.stderr)
        found = None
        try:
            found = search.run()
        finally:
            said = account_of(launches, search, found or search.unfinished())
            page.write(state.path, said)
            if found is None or found.kind == "unfinished":
                print(f"to go on: lockstep bisect --resume --state {shlex.quote(str(state.path))}", file=sys.stderr)
    page.show(said)
    print(f"report: {state.path / page.MARKDOWN}", file=sys.stderr)
    if options.json:
        print(json.dumps(said.to_json()))
    return FOUND if said.kind == "commit" else SEVERAL


def _request(options: BisectOptions) -> BisectionRequest:
    """What is to be found, checked as far as that goes without a launch."""
    repository = Repository(options.repository)
    case = options.selection.one()
    case = replace(case, path=_absolute(case.path))
    hosts = options.hosts.hosts
    return BisectionRequest(
        repository=_absolute(options.repository),
        good=repository.resolve(options.good),
        bad=repository.resolve(options.bad),
        find=options.find,
        case=json.loads(json.dumps(case.to_json())),
        values=options.selection.values,
        signature=options.signature,
        build=options.build,
        tree=options.tree,
        launcher=options.hosts.launcher,
        hosts=_absolute(hosts) if hosts and Path(hosts).is_file() else hosts,
        interface=options.hosts.interface,
    )


def _absolute(path: str | Path) -> str:
    """Links stay as they were given."""
    return os.path.abspath(path)  # noqa: PTH100


def _on_device(asked: BisectionRequest, device: str, machine: Machine) -> BisectionRequest:
    """What is to be found, with the device that the hosts have for its case."""
    (case,), said = assign([Case.from_json(asked.case)], device, machine)
    print("\n".join(said), file=sys.stderr)
    return replace(asked, case=json.loads(json.dumps(case.to_json())))


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt
