"""A run of many cases: launch, judge, compare with the expectation, write down."""

from __future__ import annotations

import shlex
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from lockstep.harness.campaign.attempts import judged_attempt, may_retry
from lockstep.harness.campaign.interruption import not_by_slurm
from lockstep.harness.campaign.launches import run_launches
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.discovery import choose
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.placement.pool import Pool
from lockstep.harness.report.exit_code import exit_code
from lockstep.harness.report.line import Line
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.store import RunStore
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine
from lockstep.harness.scenario.expectation import differences
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.engine_session import Watchdog
from lockstep.harness.watchdog.program_session import ProgramWatchdog
from lockstep.harness.watchdog.ranks.rank_table import Members
from lockstep.harness.watchdog.session import Vigil

SEED = "skew.seed"


class Display(Protocol):
    """What shows a run while it goes on."""

    def begin(self, case: Case) -> None:
        """A case is being launched."""

    def tick(self, case: Case, members: Members) -> None:
        """Its ranks have moved."""

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
        return line.judged and not may_retry(line.outcome, line.cause, folder, self.retries)

    def _fit(self, planned: PlannedCase, rank_map: RankMap) -> Line:
        """Run a case if the budget has room for what it will likely take. A case that has begun is never cut."""
        left = None if self.budget_s is None else self.budget_s - (time.monotonic() - self.started_s)
        if self.no_more.is_set():
            why = "the run was told to begin no more cases (SIGUSR1)"
        elif left is None or planned.cost_s <= left:
            return self.one(planned.case, planned.repetition, rank_map)
        else:
            rest = f"{max(left, 0.0):.0f} s left, and it takes about {planned.cost_s:.0f} s"
            why = f"the run's budget of {self.budget_s:.0f} s has {rest}"
        line = self.store.leave_out(planned.case, planned.repetition, why)
        self.display.end(planned.case, line)
        return line

    def one(self, case: Case, repetition: int = 1, rank_map: RankMap | None = None) -> Line:
        """Run one case, where `rank_map` says (None: here). What goes wrong in the harness is a verdict too: `invalid`."""
        where = rank_map or RankMap.on_this_host(case.ranks)
        self.display.begin(case)
        folder = self.store.case_dir(case, repetition)
        started = time.monotonic()
        verdict = judged_attempt(
            folder,
            self.retries,
            lambda: run_launches(case, folder, lambda number: self._launch(case, folder, number, where)),
        )
        seconds = time.monotonic() - started
        differs = differences(case.expect, verdict.to_json())
        ours = rerun_command(case, self.launcher, self.overrides, where, self.pool.named)
        rerun = self.rerun(case) if self.rerun else ours
        line = self.store.record(case, verdict, not differs, differs, rerun, seconds, repetition, where.nodes)
        self.display.end(case, line)
        return line

    def _watchdog(self, case: Case, folder: Path, number: int, rank_map: RankMap) -> Vigil:
        engine = find_engine(case.engine)
        argv = engine.command(case.spec)
        if not engine.attached:
            return Watchdog(case, argv, self.launcher, folder, number, rank_map)
        launcher = choose(engine.launcher(case.spec), rank_map, self.launcher)
        return ProgramWatchdog(case, argv, launcher, folder, rank_map)

    def _launch(self, case: Case, folder: Path, number: int, rank_map: RankMap) -> Verdict:
        watchdog = self._watchdog(case, folder, number, rank_map)
        watchdog.on_tick = lambda members: self.display.tick(case, members)
        watchdog.stopped = self.stop.is_set
        try:
            return not_by_slurm(watchdog.watch())
        except Exception as error:  # the harness failed, the case was not judged
            (folder / "harness-error.txt").write_text(traceback.format_exc())
            return Verdict(Outcome.INVALID, Cause.HARNESS, f"{type(error).__name__}: {error}")


def rerun_command(case: Case, launcher: Launcher, overrides: Sequence[str], rank_map: RankMap, named: bool) -> str:
    """The exact command that runs this case again, from the same folder; on the same hosts if the user has `named` them."""
    words = ["lockstep", "run", case.path, "--case", case.id, "--launcher", launcher.name, "--device", case.spec["device"]]
    if named and not rank_map.local:
        words += ["--hosts", ",".join(f"{node.host}:{node.ranks}" for node in rank_map.nodes)]
    words += ["--interface", rank_map.head.address] if rank_map.head is not None and rank_map.head.chosen else []
    words += [word for text in overrides for word in ("--set", text)]
    if case.spec.get("skew") and not any(text.partition("=")[0] in ("skew", SEED) for text in (*overrides, *case.point)):
        words += ["--set", f"{SEED}={case.spec['skew']['seed']}"]
    return " ".join(shlex.quote(word) for word in words)
