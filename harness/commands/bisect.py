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
from dataclasses import replace
from pathlib import Path

from lockstep.harness.bisect import page
from lockstep.harness.bisect.account import account
from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.judgement import SIGNATURE
from lockstep.harness.bisect.launches import Launches
from lockstep.harness.bisect.progress import Progress
from lockstep.harness.bisect.repository import Repository
from lockstep.harness.bisect.search import Options, Search
from lockstep.harness.bisect.state import ROOT, Asked, State
from lockstep.harness.bisect.suspects import Suspects
from lockstep.harness.bisect.worktrees import KEPT, Worktrees
from lockstep.harness.campaign.devices import Machine, assign
from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.hosts import add_hosts, add_launcher, load
from lockstep.harness.commands.selection import add_selection, one
from lockstep.harness.commands.site import site_of
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.probe import environment
from lockstep.harness.placement.pool import jobs_of
from lockstep.harness.scenario.case import Case

FOUND, SEVERAL = 0, 1


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("bisect", help="find the commit of an engine's repository that brought a hang")
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


def bisect(arguments: argparse.Namespace) -> int:
    """Bisect."""
    signal.signal(signal.SIGTERM, _interrupt)  # end the ranks in order, as after Ctrl-C
    try:
        jobs = jobs_of(arguments.jobs)
        options = Options(arguments.confidence, arguments.repeat, 1, arguments.most)
    except ValueError as error:
        raise BisectionError(str(error)) from error
    state = _resumed(arguments) if arguments.resume else None
    asked = state.asked if state else _asked(arguments)
    repository = Repository(Path(asked.repository))
    ends = (asked.good, asked.bad) if asked.find == "bad" else (asked.bad, asked.good)
    commits = repository.between(*ends)
    launcher = find(asked.launcher)
    site = site_of(load(asked.hosts, asked.interface), launcher, jobs, asked.hosts is not None)
    if state is None:
        asked = _on_device(asked, arguments.device, site.machine)
    pool = site.pool
    request = pool.request(Case.from_json(asked.case))
    if state is None:
        state = State.create(arguments.state, asked, sys.argv, environment(asked.launcher))
    os.chdir(state.path)  # supervisors start here, where no module of the repository can be taken for one of ours
    suspects = Suspects([commit.parents for commit in commits.commits], "bad" if asked.find == "bad" else "fixed")
    at_once = pool.at_once(request)
    progress = Progress(commits, suspects)
    print(f"{suspects.count} commits; case {asked.case['id']}; state: {state.path}", file=sys.stderr)
    with Worktrees(repository, state.path / "trees", max(KEPT, at_once)) as worktrees:
        launches = Launches(state, commits, suspects, worktrees, launcher, pool, progress.launched, progress.skipped)
        search = Search(
            suspects, launches.evidence, replace(options, jobs=at_once), launches.run, launches.build_cost, progress.left
        )
        if launches.evidence.launches:
            print(f"{launches.evidence.launches} launches are on disk and are not repeated", file=sys.stderr)
        found = None
        try:
            found = search.run()
        finally:
            said = account(launches, search, found or search.unfinished())
            page.write(state.path, said)
            if found is None or found.kind == "unfinished":
                print(f"to go on: lockstep bisect --resume --state {shlex.quote(str(state.path))}", file=sys.stderr)
    page.show(said)
    print(f"report: {state.path / page.MARKDOWN}", file=sys.stderr)
    if arguments.json:
        print(json.dumps(said.to_json()))
    return FOUND if said.kind == "commit" else SEVERAL


def _resumed(arguments: argparse.Namespace) -> State:
    names = ("repo", "good", "bad", "signature", "build", "words", "tag", "case", "values")
    given = [f"--{name}" for name in names if getattr(arguments, name)] + ["SCENARIO"] * bool(arguments.scenarios)
    if given:
        raise BisectionError(f"--resume goes on with what was asked for before: leave out {', '.join(given)}")
    return State.open(arguments.state)


def _asked(arguments: argparse.Namespace) -> Asked:
    """What is to be found, checked as far as that goes without a launch."""
    missing = [name for name in ("repo", "good", "bad") if not getattr(arguments, name)]
    if missing or not arguments.scenarios:
        names = [f"--{name}" for name in missing] + ([] if arguments.scenarios else ["SCENARIO"])
        raise BisectionError(f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} missing (or --resume)")
    if Path(arguments.tree).is_absolute() or ".." in Path(arguments.tree).parts:
        raise BisectionError(f"--tree {arguments.tree}: give a folder in the repository, relative to its root")
    if arguments.signature and not re.fullmatch(SIGNATURE, arguments.signature):
        raise BisectionError(f"--signature {arguments.signature}: give the 12 hex digits of a verdict's signature")
    repository = Repository(arguments.repo)
    case = one(arguments)
    case = replace(case, path=os.path.abspath(case.path))  # noqa: PTH100  (links stay as they were given)
    return Asked(
        repository=os.path.abspath(arguments.repo),  # noqa: PTH100  (links stay as they were given)
        good=repository.resolve(arguments.good),
        bad=repository.resolve(arguments.bad),
        find=arguments.find,
        case=json.loads(json.dumps(case.to_json())),
        values=tuple(arguments.values),
        signature=arguments.signature,
        build=arguments.build,
        tree=arguments.tree,
        launcher=arguments.launcher,
        hosts=os.path.abspath(arguments.hosts) if arguments.hosts and Path(arguments.hosts).is_file() else arguments.hosts,  # noqa: PTH100
        interface=arguments.interface,
    )


def _on_device(asked: Asked, device: str, machine: Machine) -> Asked:
    """What is to be found, with the device that the hosts have for its case."""
    (case,), said = assign([Case.from_json(asked.case)], device, machine)
    print("\n".join(said), file=sys.stderr)
    return replace(asked, case=json.loads(json.dumps(case.to_json())))


def _interrupt(signum: int, frame: object) -> None:
    raise KeyboardInterrupt
