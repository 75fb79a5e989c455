"""`lockstep bisect`: the first commit of an engine's repository, or the first release, that hangs or is fixed.

Exit code 0: one commit; 1: several are left; 2: what was asked for makes no sense; 3: an end could not be judged;
128 and the signal: it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from lockstep.harness.bisect import page
from lockstep.harness.bisect.account import account_of
from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.history import checkouts, history
from lockstep.harness.bisect.launches import Launches
from lockstep.harness.bisect.progress import Progress
from lockstep.harness.bisect.repository import Repository, counted
from lockstep.harness.bisect.state import BisectionRequest, State
from lockstep.harness.bisect.statistics.search import Search
from lockstep.harness.bisect.statistics.suspects import Suspects
from lockstep.harness.bisect.worktrees import KEPT
from lockstep.harness.campaign.devices import Machine, assign
from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.bisect_options import BisectOptions, ReleaseOptions, add_options
from lockstep.harness.commands.hosts import HostOptions
from lockstep.harness.commands.site import site_of
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.fork_servers import ForkServers
from lockstep.harness.launch.probe import environment
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine
from lockstep.harness.scenario.engine_base import EngineBase
from lockstep.harness.shell import command_line
from lockstep.harness.stop_signals import Stopped

FOUND, SEVERAL = 0, 1


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("bisect")
    add_options(parser)
    parser.set_defaults(run=bisect)


def bisect(arguments: argparse.Namespace) -> int:
    """Bisect."""
    signal.signal(signal.SIGTERM, _interrupt)  # end the ranks in order, as after Ctrl-C
    options = BisectOptions.of(arguments)
    state = State.open(options.state) if options.resume else None
    asked = state.asked if state else _request(options)
    commits = history(asked)
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
    print(f"{counted(commits.noun, suspects.count)}; case {asked.case['id']}; state: {state.path}", file=sys.stderr)
    with checkouts(asked, state.path / "trees", max(KEPT, at_once)) as launched, ForkServers() as servers:
        # What a build installs must not have been imported before.
        forks = None if options.fresh or asked.build else servers
        launches = Launches(state, commits, suspects, launched, launcher, pool, progress.launched, progress.skipped, forks)
        how = replace(options.search, jobs=at_once)
        search = Search(suspects, launches.evidence, how, launches.run, launches.build_cost, progress.left)
        if launches.evidence.launches:
            print(f"{launches.evidence.launches} launches are on disk and are not repeated", file=sys.stderr)
        found = None
        try:
            found = search.run()
        finally:
            said = account_of(launches, search, found or search.unfinished())
            made = page.write(state.path, said)
            if found is None or found.kind == "unfinished":
                again = command_line(["lockstep", "bisect", "--resume", "--state", state.path])
                print(f"to go on: {again}", file=sys.stderr)
    page.show(said)
    print(f"report: {state.path / page.MARKDOWN}", file=sys.stderr)
    if made is not None:
        print(f"page: {made}", file=sys.stderr)
    if options.json:
        print(json.dumps(said.to_json()))
    return FOUND if said.kind == "commit" else SEVERAL


def _request(options: BisectOptions) -> BisectionRequest:
    """What is to be found, checked as far as that goes without a launch."""
    case = options.selection.one()
    case = replace(case, path=_absolute(case.path))
    hosts = options.hosts.hosts
    common = BisectionRequest(
        repository="",
        good="",
        bad="",
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
    if options.releases is None:
        repository = Repository(options.repository)
        good, bad = repository.resolve(options.good), repository.resolve(options.bad)
        return replace(common, repository=_absolute(options.repository), good=good, bad=bad)
    return _of_releases(common, options.releases, case)


def _of_releases(common: BisectionRequest, options: ReleaseOptions, case: Case) -> BisectionRequest:
    """The ends are the first and the last of them."""
    engine = find_engine(case.engine)
    if type(engine).inside is EngineBase.inside:
        raise BisectionError(f"engine {case.engine!r} cannot run a release; give a scenario with `engine: command`")
    releases, noun = options.releases()
    older, newer = releases[0][0], releases[-1][0]
    good, bad = (older, newer) if common.find == "bad" else (newer, older)
    install = options.install(noun)
    return replace(common, repository=options.versions, good=good, bad=bad, releases=releases, install=install)


def _absolute(path: str | Path) -> str:
    """Links stay as they were given."""
    return os.path.abspath(path)  # noqa: PTH100


def _on_device(asked: BisectionRequest, device: str, machine: Machine) -> BisectionRequest:
    """What is to be found, with the device that the hosts have for its case."""
    (case,), said = assign([Case.from_json(asked.case)], device, machine)
    print("\n".join(said), file=sys.stderr)
    return replace(asked, case=json.loads(json.dumps(case.to_json())))


def _interrupt(signum: int, frame: object) -> None:
    raise Stopped(signum)
