"""`lockstep judge-commit`: judges the checkout in the current folder, for `git bisect run`.

Exit code 0: good; 1: bad, the wanted signature; 125: cannot say; 128 or more: stop.
`harness/cli.py` turns all else into stop.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from lockstep import harness
from lockstep.harness.bisect.build import run_build
from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.silent import Silent
from lockstep.harness.bisect.statistics.judgement import SIGNATURE, Judgement, classify, words
from lockstep.harness.campaign.commits import with_commits
from lockstep.harness.campaign.devices import assign
from lockstep.harness.campaign.run import Run
from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.hosts import HostOptions, add_fresh, add_hosts, add_launcher
from lockstep.harness.commands.selection import Selection, add_selection
from lockstep.harness.commands.site import site_of
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.fork_servers import ForkServers
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.probe import environment
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.placement.placement import Placement
from lockstep.harness.placement.request import Lack
from lockstep.harness.rates import rate_seen
from lockstep.harness.report.destination import make_root
from lockstep.harness.report.names import slug
from lockstep.harness.report.pages.make import make_run_page
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.schema import VerdictFile, read_verdict
from lockstep.harness.report.store import ROOT, RunStore
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine
from lockstep.harness.scenario.errors import NotInCheckout
from lockstep.harness.stop_signals import Stopped
from lockstep.harness.vocabulary import Outcome

GOOD, BAD, CANNOT_SAY = 0, 1, 125
MISS = 0.05


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("judge-commit")
    add_selection(parser)
    parser.add_argument("--signature", default="", metavar="HEX", help="what is bad (default: any hang)")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="launches, all of which must be good")
    parser.add_argument("--build", default="", metavar="CMD", help="run by sh before; where it fails, nothing can be said")
    parser.add_argument("--tree", default=".", metavar="DIR", help="where in the checkout the engine is")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="auto: a GPU where there is one")
    add_launcher(parser)
    add_fresh(parser)
    add_hosts(parser)
    parser.add_argument("--reports", type=Path, metavar="DIR", help="where runs are kept (default: in git's folder)")
    parser.set_defaults(run=judge_commit)


@dataclass(frozen=True, slots=True)
class JudgeOptions:
    """What `lockstep judge-commit` was told."""

    selection: Selection
    hosts: HostOptions
    signature: str
    repeat: int
    build: str
    tree: str
    device: str
    reports: Path | None
    fresh: bool

    @staticmethod
    def of(arguments: argparse.Namespace) -> JudgeOptions:
        """As the command line says. Raises BisectionError for what makes no sense."""
        repeat, signature = arguments.repeat, arguments.signature
        if repeat < 1:
            raise BisectionError(f"--repeat {repeat}: give a number of launches from 1 on")
        if signature and not re.fullmatch(SIGNATURE, signature):
            raise BisectionError(f"--signature {signature}: give the 12 hex digits of a verdict's signature")
        chosen, where = Selection.of(arguments), HostOptions.of(arguments)
        return JudgeOptions(
            chosen,
            where,
            signature,
            repeat,
            arguments.build,
            arguments.tree,
            arguments.device,
            arguments.reports,
            arguments.fresh,
        )


def judge_commit(arguments: argparse.Namespace) -> int:
    """Judge; the exit code."""
    signal.signal(signal.SIGTERM, _interrupt)  # end the ranks in order, as after Ctrl-C
    options, here = JudgeOptions.of(arguments), Path.cwd()
    if Path(harness.__file__).resolve().is_relative_to(here.resolve()):
        raise BisectionError(f"{here} holds the lockstep that judges: install it outside of the checkout that is judged")
    case, launcher, rank_map = _placed(options)
    if options.reports:
        make_root(options.reports)
    reports = (options.reports or _git_folder(here)).resolve()
    if options.build:
        reports.mkdir(parents=True, exist_ok=True)
        built = run_build(options.build, here, _git(here, "HEAD"), reports / "build.log")
        if not built.ok:
            _say(f"{built.text} (see {reports / 'build.log'})")
            return CANNOT_SAY
    try:
        engine = find_engine(case.engine)
        case = replace(case, spec=engine.at(case.spec, str((here / options.tree).resolve())))
    except NotInCheckout as error:
        _say(str(error))
        return CANNOT_SAY
    reports.mkdir(parents=True, exist_ok=True)
    os.chdir(reports)  # supervisors start here, where no module of the checkout can be taken for one of ours
    with ForkServers() as servers:
        return _judge(options, case, launcher, rank_map, reports, None if options.fresh else servers)


def _judge(
    options: JudgeOptions, case: Case, launcher: Launcher, rank_map: RankMap, reports: Path, servers: ForkServers | None
) -> int:
    """Launch as often as is wanted; the exit code."""
    for _ in range(options.repeat):
        verdict = _verdict(case, launcher, rank_map, reports, servers)
        found = _judgement(verdict, options.signature)
        _say(f"{found.value}: {words(verdict)}{f': {verdict.text}' if found is Judgement.INVALID else ''}")
        if found is Judgement.BAD:
            return BAD
        if found is not Judgement.GOOD:
            return CANNOT_SAY
    seen = rate_seen(options.repeat, MISS)
    _say(f"a hang that shows in {seen:.0%} or more of the launches would have been missed with at most {MISS:.0%}")
    return GOOD


def _placed(options: JudgeOptions) -> tuple[Case, Launcher, RankMap]:
    """The case with its device, what starts its ranks, and where: as a run of this case alone would have it."""
    wanted, launcher = options.selection.one(), find(options.hosts.launcher)
    site = site_of(options.hosts.load(), launcher, jobs=1, named=options.hosts.named)
    (case,), said = assign([wanted], options.device, site.machine)
    _say("\n".join(said))
    rank_map = Placement.of(case, site.pool.capacity)
    if isinstance(rank_map, Lack):
        raise rank_map.error(case)
    return case, launcher, rank_map


def _verdict(case: Case, launcher: Launcher, rank_map: RankMap, reports: Path, servers: ForkServers | None) -> VerdictFile:
    """Launch once; the verdict as it is on disk."""
    store = RunStore.create(reports, None, sys.argv, environment(launcher.name), with_commits([PlannedCase(case)]))
    _say(f"reports: {store.path}")
    Run(store, launcher, Silent(), stop=threading.Event(), fork_servers=servers).one(case, rank_map=rank_map)
    make_run_page(store)
    verdict = read_verdict((store.path / "cases" / slug(case.id) / "verdict.json").read_bytes())
    if (verdict.case, verdict.run) != (case.id, store.id):
        raise RuntimeError(f"{store.path}: the verdict on disk is of {verdict.case} in {verdict.run}")
    return verdict


def _judgement(verdict: VerdictFile, signature: str) -> Judgement:
    """Without a signature any hang is bad."""
    wanted = signature or (verdict.signature if verdict.outcome is Outcome.HANG else "any hang")
    return classify(verdict, wanted)


def _git_folder(here: Path) -> Path:
    """Where runs of this checkout are kept: nothing is to lie in the checkout itself."""
    folder = _git(here, "--absolute-git-dir")
    return Path(folder) / "lockstep" if folder else ROOT


def _git(here: Path, what: str) -> str:
    """What `git rev-parse` says; empty where there is no git."""
    command = ["git", "rev-parse", "--quiet", what]
    try:
        done = subprocess.run(command, cwd=here, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _interrupt(signum: int, frame: object) -> None:
    raise Stopped(signum)
