"""A run of many cases: launch, judge, compare with the expectation, write down."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from lockstep.harness.campaign.attempts import judged_attempt, may_retry
from lockstep.harness.campaign.interruption import not_by_slurm, slurms
from lockstep.harness.campaign.launches import of_launch, run_launches
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.discovery import choose
from lockstep.harness.launch.fork_servers import ForkServers
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.placement.pool import Pool
from lockstep.harness.report import files
from lockstep.harness.report.exit_code import exit_code
from lockstep.harness.report.line import Line
from lockstep.harness.report.pages.make import make_case_page
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.result import RED
from lockstep.harness.report.store import RunStore
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine
from lockstep.harness.scenario.engine_base import EngineBase
from lockstep.harness.scenario.expectation import differences
from lockstep.harness.shell import command_line
from lockstep.harness.stop_signals import StopSignals
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.listener import Listener, Silent
from lockstep.harness.watchdog.ranks.rank_table import RankTable
from lockstep.harness.watchdog.session import CaseSession
from lockstep.harness.watchdog.targets import EngineTarget, ProgramTarget, Target

SEED = "skew.seed"


class Display(Protocol):
    """What shows a run while it goes on."""

    def begin(self, case: Case) -> None:
        """A case is being launched."""

    def tick(self, case: Case, ranks: RankTable) -> None:
        """Its ranks have moved."""

    def notice(self, case: Case, text: str) -> None:
        """Nothing of it has moved for a while."""

    def end(self, case: Case, line: Line) -> None:
        """It has been judged."""


@dataclass(frozen=True, slots=True)
class Run:
    """Runs cases into a store."""

    store: RunStore
    launcher: Launcher
    display: Display
    overrides: Sequence[str] = ()  # KEY=VALUE, as given; a rerun needs them
    pool: Pool = field(default_factory=lambda: Pool.here(1, 1))  # the hosts, for `all`
    stop: threading.Event = field(default_factory=threading.Event)  # set: end the cases that are running
    rerun: Callable[[Case], str] | None = None  # the command that runs a case again, where `lockstep run` does not
    retries: int = 0  # further attempts where a launch failed or a node was lost
    budget_s: float | None = None  # for all cases together
    no_more: threading.Event = field(default_factory=threading.Event)  # set: begin no further case
    stop_signals: StopSignals = field(default_factory=StopSignals)  # come: end cases with what is known
    exit_first: bool = False  # begin no case after the first that is not as expected
    failed: threading.Event = field(default_factory=threading.Event)  # there was one
    fork_servers: ForkServers | None = None  # from which ranks of engines that allow it are forked; None: no rank is
    started_s: float = field(default_factory=time.monotonic)

    def all(self, plan: Sequence[PlannedCase]) -> int:
        """Run what of a plan has no verdict that stays; the exit code of the whole run, with what was judged before."""
        left = [one for one in plan if not self.kept(one)]
        self.pool.run(left, [self.pool.request(one.case) for one in left], self._fit, self.stop)
        return exit_code(self.store.lines)

    def kept(self, planned: PlannedCase) -> bool:
        """Whether a case was judged by the run that this one continues, and is not to be tried again."""
        line = self.store.line(planned.case, planned.repetition)
        folder = self.store.path / "cases" / planned.slug
        judged = line.judged and line.cause != Cause.INTERRUPTED.value
        return judged and not may_retry(line.outcome, line.cause, folder, self.retries)

    def _fit(self, planned: PlannedCase, rank_map: RankMap) -> Line:
        """Run a case if the budget has room for what it will likely take. A case that has begun is never cut."""
        left = None if self.budget_s is None else self.budget_s - (time.monotonic() - self.started_s)
        if self.no_more.is_set():
            why = "the run was told to begin no more cases (SIGUSR1)"
        elif self.exit_first and self.failed.is_set():
            why = "a case was not as expected, and -x begins none after it"
        elif left is None or planned.cost_s <= left:
            return self.one(planned.case, planned.repetition, rank_map)
        else:
            rest = f"{max(left, 0.0):.0f} s left, and it takes about {planned.cost_s:.0f} s"
            why = f"the run's budget of {self.budget_s:.0f} s has {rest}"
        line = self.store.leave_out(planned.case, planned.repetition, why)
        self.display.end(planned.case, line)
        return line

    def one(self, case: Case, repetition: int = 1, rank_map: RankMap | None = None) -> Line:
        """Run one case, where `rank_map` says (None: here). What goes wrong in the harness is a verdict too: `invalid`.

        Raises Stopped, when it has written down what is known, if the command was asked to end.
        """
        self.stop_signals.raise_if_any()
        where = rank_map or RankMap.on_this_host(case.ranks)
        self.display.begin(case)
        folder = self.store.case_dir(case, repetition)
        started = time.monotonic()
        ours = rerun_command(case, self.launcher, self.overrides, where, self.pool.named)
        rerun = self.rerun(case) if self.rerun else ours

        def record(judged: Verdict) -> CaseRecord:
            differs = differences(case.expect, judged.to_json())
            seconds = time.monotonic() - started
            return CaseRecord(case, judged, not differs, differs, rerun, seconds, repetition, where.nodes)

        def keep(judged: Verdict) -> None:
            self.store.write_verdict(record(judged))

        def launch(number: int) -> Verdict:
            return self._launch(case, folder, number, where, CaseListener(self, case, number, keep))

        verdict = judged_attempt(folder, self.retries, lambda: run_launches(case, folder, launch))
        line = self.store.record(record(verdict))
        if line.standing in RED:
            self.failed.set()
        self.display.end(case, line)
        make_case_page(folder)
        self.stop_signals.raise_if_any()
        return line

    def _launch(self, case: Case, folder: Path, number: int, rank_map: RankMap, listener: Listener) -> Verdict:
        engine = find_engine(case.engine)
        argv = engine.command(case.spec)
        launcher = choose(engine.launcher(case.spec), rank_map, self.launcher) if engine.attached else self.launcher
        try:
            target: Target = (
                ProgramTarget(case, argv) if engine.attached else self._engine_target(case, engine, number, rank_map)
            )
            return not_by_slurm(CaseSession(target, launcher, folder, rank_map, listener).watch())
        except Exception as error:  # the harness failed, the case was not judged
            files.replace(folder / "harness-error.txt", traceback.format_exc())
            return Verdict(Outcome.INVALID, Cause.HARNESS, f"{type(error).__name__}: {error}")

    def _engine_target(self, case: Case, engine: EngineBase[Any], number: int, rank_map: RankMap) -> EngineTarget:
        server = ""
        if self.fork_servers is not None:
            server = self.fork_servers.address(engine.preload(case.spec), self.launcher, rank_map)
        return EngineTarget(case, engine.command(case.spec), number, server)


class CaseListener(Silent):
    """Shows a launch of a case, ends it with its run, and keeps its verdict before anything is added to that."""

    def __init__(self, run: Run, case: Case, number: int, keep: Callable[[Verdict], None]) -> None:
        """`number`: of the launch, from 1. `keep`: writes the verdict of the case."""
        self._run, self._case, self._number, self._keep = run, case, number, keep
        self.stop_signals = run.stop_signals

    def tick(self, ranks: RankTable) -> None:
        """Where ranks are."""
        self._run.display.tick(self._case, ranks)

    def notice(self, text: str) -> None:
        """Said with the name of the case."""
        self._run.display.notice(self._case, text)

    def stopped(self) -> bool:
        """With the whole run."""
        return self._run.stop.is_set()

    def judged(self, verdict: Verdict) -> None:
        """Written at once if it is the case's: that of a launch after which there is none, and none of Slurm's."""
        last = self._number == self._case.launches or verdict.outcome is not Outcome.SUCCESS
        if last and not slurms(verdict):
            self._keep(of_launch(self._case, self._number, verdict))


def rerun_command(case: Case, launcher: Launcher, overrides: Sequence[str], rank_map: RankMap, named: bool) -> str:
    """The exact command that runs this case again, from the same folder; on the same hosts if the user has `named` them."""
    words = ["lockstep", "run", case.path, "--case", case.id, "--launcher", launcher.name, "--device", case.spec["device"]]
    if named and not rank_map.local:
        words += ["--hosts", ",".join(f"{node.host}:{node.ranks}" for node in rank_map.nodes)]
    words += ["--interface", rank_map.head.address] if rank_map.head is not None and rank_map.head.chosen else []
    words += [word for text in overrides for word in ("--set", text)]
    if case.spec.get("skew") and not any(text.partition("=")[0] in ("skew", SEED) for text in (*overrides, *case.point)):
        words += ["--set", f"{SEED}={case.spec['skew']['seed']}"]
    return command_line(words)
