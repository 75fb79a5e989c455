"""`lockstep watch -n N -- COMMAND...`: any program, judged. Exit code 0 for a success, 1 for a hang, raise, crash or slow
program, 2 for a mistake in the command line, 3 when nothing could be judged."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockstep.harness.campaign.commits import with_commits
from lockstep.harness.campaign.interruption import not_by_slurm, slurms
from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.allocation import allocated_for
from lockstep.harness.commands.hosts import HostOptions, add_hosts, add_launcher
from lockstep.harness.commands.output_writer import OutputWriter
from lockstep.harness.commands.program_foot import ProgramFoot, has_foot
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.discovery import choose
from lockstep.harness.launch.probe import environment
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.placement.capacity import Capacity
from lockstep.harness.placement.hosts import Hosts
from lockstep.harness.placement.placement import Placement
from lockstep.harness.placement.request import Lack
from lockstep.harness.program_name import program_name, redacted
from lockstep.harness.report.live.serving import serving
from lockstep.harness.report.pages.make import make_pages
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import ROOT, RunStore
from lockstep.harness.scenario.case import MOST_RANKS, Case, Expectation, Limits
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.shell import command_line
from lockstep.harness.stop_signals import Stopped, StopSignals
from lockstep.harness.terminal import STDOUT
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.listener import Silent
from lockstep.harness.watchdog.ranks.rank_table import RankTable
from lockstep.harness.watchdog.session import CaseSession
from lockstep.harness.watchdog.targets import ProgramTarget

NO_DEADLINE_S = 1e9
UNREAD_S = 30.0  # for a reader that takes nothing, when everything has ended
INTERRUPTED_S = 2.0  # ... or somebody wants the end
ADVANCE_S = 60.0  # within so long before the deadline something must have happened, else it is a stall
EXIT_CODES = {Outcome.SUCCESS: 0, Outcome.INVALID: 3}


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "watch",
        usage="lockstep watch [-n N] [--hosts H] [--interface I] [--launcher L]\n"
        "                      [--deadline S] [--reports DIR] [--run-id ID] [--serve]\n"
        "                      [--json] -- COMMAND...",
    )
    parser.add_argument(
        "-n", dest="processes", type=int, metavar="N", help="processes to launch (1; with --hosts: one for each slot)"
    )
    add_hosts(parser)
    add_launcher(parser, ("none",), "what starts more than one process")
    parser.add_argument(
        "--deadline", type=float, metavar="S", help="seconds; then slow or stall (none: only what is certain ends it)"
    )
    parser.add_argument("--reports", type=Path, default=ROOT, metavar="DIR", help=f"where runs are kept ({ROOT})")
    parser.add_argument("--run-id", metavar="ID", help="name of the run (default: made from the time)")
    parser.add_argument("--serve", action="store_true", help="a page of it while it goes on, on this machine's loopback")
    parser.add_argument("--json", action="store_true", help="print the verdict on stdout; the program's goes to stderr")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND...")
    parser.set_defaults(run=watch)


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What `lockstep watch` was told. `processes`: None: one, or with `--hosts` one for each slot."""

    argv: list[str]
    processes: int | None
    hosts: HostOptions
    deadline_s: float | None
    reports: Path
    run_id: str | None
    serve: bool
    json: bool

    @staticmethod
    def of(arguments: argparse.Namespace) -> WatchOptions:
        """As the command line says. Raises ScenarioError for what makes no sense."""
        argv: list[str] = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
        processes, deadline_s, run_id = arguments.processes, arguments.deadline, arguments.run_id
        if not argv:
            raise ScenarioError(
                "lockstep watch: give a command after --, for example `lockstep watch -n 2 -- python prog.py`"
            )
        if processes is not None and not 1 <= processes <= MOST_RANKS:
            raise ScenarioError(f"lockstep watch: -n {processes}: give 1 or more, {MOST_RANKS:,} at most")
        if deadline_s is not None and not 0 < deadline_s < math.inf:
            raise ScenarioError(f"lockstep watch: --deadline {deadline_s:g}: give more than 0 seconds")
        if shutil.which(argv[0]) is None:
            raise ScenarioError(f"lockstep watch: {argv[0]}: no such program")
        if run_id and (arguments.reports / run_id).exists():
            raise ScenarioError(f"lockstep watch: run {run_id} is there already; choose another --run-id")
        where = HostOptions.of(arguments)
        return WatchOptions(argv, processes, where, deadline_s, arguments.reports, run_id, arguments.serve, arguments.json)

    def case(self, hosts: Hosts | None = None) -> Case:
        """The program as a case; on these hosts, as soon as they are known."""
        argv, processes = self.argv, self.processes or (hosts.slots if hosts and self.hosts.named else 1)
        return Case(
            id=program_name(argv),
            scenario="watch",
            path="",
            source="",
            summary=command_line(redacted(argv)),
            tags=(),
            engine="command",
            ranks=processes,
            point={},
            spec={"config": {"argv": redacted(argv), "processes": processes}, "device": ""},
            expect=Expectation(outcome="success"),
            limits=Limits(deadline_s=self.deadline_s or NO_DEADLINE_S, livelock_s=ADVANCE_S),
        )

    def words(self, processes: int) -> list[str]:
        """As a command line says them."""
        deadline = ["--deadline", f"{self.deadline_s:g}"] if self.deadline_s else []
        return ["-n", str(processes), "--launcher", self.hosts.launcher, *self.hosts.words(), *deadline]


def watch(arguments: argparse.Namespace) -> int:
    """Run the program, print its verdict for people, and keep everything in a run folder."""
    with StopSignals().heard() as stop_signals:
        options = WatchOptions.of(arguments)
        with allocated_for(options.hosts, [options.case()]):
            return _watch(options, stop_signals)


def _watch(options: WatchOptions, stop_signals: StopSignals) -> int:
    hosts = options.hosts.load()
    case = options.case(hosts)
    rank_map = _placed(case, hosts)
    launcher = choose(options.hosts.launcher, rank_map)
    facts = environment("auto" if launcher.name == "none" else launcher.name)
    store = RunStore.create(options.reports, options.run_id, redacted(sys.argv), facts, with_commits([PlannedCase(case)]))
    started = time.monotonic()
    rerun = command_line(["lockstep", "watch", *options.words(case.ranks), "--", *redacted(options.argv)])

    def record(judged: Verdict) -> CaseRecord:
        return CaseRecord(case, judged, *_expected(judged), rerun, time.monotonic() - started, places=rank_map.nodes)

    def keep(judged: Verdict) -> None:
        if judged.cause is Cause.INTERRUPTED or not slurms(judged):  # that says itself that nothing was judged
            store.write_verdict(record(judged))

    target = ProgramTarget(case, options.argv, subprocess.DEVNULL if sys.stdin is None or sys.stdin.isatty() else 0)
    foot = ProgramFoot(stop_signals) if has_foot() else None
    writer = OutputWriter(foot.write) if foot else OutputWriter()
    listener = _Listener(options.json, keep, stop_signals, writer, foot)
    session = CaseSession(target, launcher, store.case_dir(case), rank_map, listener)
    with serving(store.path, options.serve, writer.say), foot or contextlib.nullcontext():
        verdict = session.watch()
    if verdict.cause is not Cause.INTERRUPTED:
        not_by_slurm(verdict)
    store.record(record(verdict))
    raw = json.loads((store.case_dir(case) / "verdict.json").read_text())
    _say(verdict, raw, writer)
    writer.say(f"reports: {store.path}")
    if page := make_pages(store, writer.say):
        writer.say(f"page: {page}")
    if options.json:
        writer.say(json.dumps(raw), 1)
    _drain(writer, verdict)
    if verdict.cause is Cause.INTERRUPTED:
        return Stopped(stop_signals.signum).exit_code
    if verdict.outcome is Outcome.SUCCESS and (failure := writer.failure):  # of a program alone its own code would say so
        raise OSError(failure.errno, f"{failure.strerror}; what the program printed is in {store.path}", STDOUT)
    return EXIT_CODES.get(verdict.outcome, 1)


def _drain(writer: OutputWriter, verdict: Verdict) -> None:
    """Who reads what the program printed has all the time that it had without us; after a failure only while it reads."""
    patience_s = INTERRUPTED_S if verdict.cause is Cause.INTERRUPTED else UNREAD_S
    if left := writer.drain(None if verdict.outcome is Outcome.SUCCESS else patience_s):
        writer.say(f"lockstep: nobody reads: {left} bytes of output are left out, which the run's folder has")
        writer.drain(INTERRUPTED_S)


def _expected(verdict: Verdict) -> tuple[bool, list[str]]:
    """Whether the verdict is the one that is hoped for, and if not, in what it differs: reports are red by this."""
    if verdict.outcome is Outcome.SUCCESS:
        return True, []
    return False, [f"outcome: expected {Outcome.SUCCESS.value}, got {verdict.outcome.value}"]


def _placed(case: Case, hosts: Hosts) -> RankMap:
    """Where the processes run. Which GPUs they use is theirs to know, so that hosts are not asked for any."""
    found = Placement.of(case, Capacity.of_slots(hosts))
    if isinstance(found, Lack):
        raise ScenarioError(
            f"lockstep watch: -n {case.ranks}: the hosts have {hosts.slots} slots; more are given as name:slots"
        )
    return found


class _Listener(Silent):
    """What the program prints goes where it would have gone, as it comes; its verdict is kept as soon as there is one."""

    def __init__(
        self,
        to_stderr: bool,
        keep: Callable[[Verdict], None],
        stop_signals: StopSignals,
        writer: OutputWriter,
        foot: ProgramFoot | None,
    ) -> None:
        self.stop_signals = stop_signals
        self._writer = writer
        self._descriptors = {"stdout": 2 if to_stderr else 1, "stderr": 2}
        self._keep = keep
        self._foot = foot

    def tick(self, ranks: RankTable) -> None:
        """Where its ranks are, for who sits at a terminal."""
        if self._foot is not None:
            self._foot.look(ranks)

    def judged(self, verdict: Verdict) -> None:
        """Before its evidence is gathered."""
        self._keep(verdict)

    def notice(self, text: str) -> None:
        """Said, and nothing else: it may be a server with nothing to do."""
        self._writer.say(f"lockstep: {text}")

    def output(self, stream: str, data: bytes) -> None:
        """Written to the stream that it was written to."""
        self._writer.write(self._descriptors[stream], data)


def _say(verdict: Verdict, raw: dict[str, Any], writer: OutputWriter) -> None:
    """The verdict for people, on stderr."""
    proof = {True: ", proved", False: ", not proved", None: ""}[verdict.proved]
    cause = f" ({verdict.cause.value}{proof})" if verdict.cause is not Cause.NONE else ""
    writer.say(f"lockstep: {verdict.outcome.value}{cause}: {verdict.text}")
    for finding in verdict.findings:
        writer.say(f"  {finding.kind.value}: {finding.text}")
    writer.say(f"  again: {raw['rerun']}")
