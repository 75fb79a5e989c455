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

from harness.campaign.launches import launches
from harness.campaign.packing import ONE_BY_ONE, Packing
from harness.judge.verdict import Cause, Outcome, Verdict
from harness.launch.launcher import Launcher, choose
from harness.report.line import Line
from harness.report.store import RunStore
from harness.scenario.case import Case
from harness.scenario.engine import find_engine, is_attached
from harness.scenario.expectation import differences
from harness.watch.members import Members
from harness.watch.program_watchdog import ProgramWatchdog
from harness.watch.watchdog import Watchdog

SEED = "skew.seed"
EXIT_AS_EXPECTED, EXIT_UNEXPECTED, EXIT_NOTHING_JUDGED = 0, 1, 3


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
    packing: Packing = ONE_BY_ONE
    stop: threading.Event = field(default_factory=threading.Event)  # set: end the cases that are running
    rerun: Callable[[Case], str] | None = None  # the command that runs a case again, where `lockstep run` does not

    def all(self, cases: Sequence[Case]) -> int:
        """Run every case; the exit code of the run (design: 0 as expected, 1 not, 3 nothing could be judged)."""
        lines = self.packing.run(cases, self.one, self.stop)
        if lines and all(line.outcome == Outcome.INVALID.value for line in lines):
            return EXIT_NOTHING_JUDGED
        return EXIT_AS_EXPECTED if all(line.ok for line in lines) else EXIT_UNEXPECTED

    def one(self, case: Case) -> Line:
        """Run one case. What goes wrong in the harness is a verdict too: `invalid`."""
        self.display.begin(case)
        folder = self.store.case_dir(case)
        started = time.monotonic()
        verdict = launches(case, folder, lambda number: self._launch(case, folder, number))
        differs = differences(case.expect, verdict.to_json())
        seconds = time.monotonic() - started
        rerun = self.rerun(case) if self.rerun else rerun_command(case, self.launcher, self.overrides)
        line = self.store.record(case, verdict, not differs, differs, rerun, seconds)
        self.display.end(case, line)
        return line

    def _watchdog(self, case: Case, folder: Path, number: int) -> Watchdog:
        engine = find_engine(case.engine)
        argv = engine.command(case.spec)
        if not is_attached(engine):
            return Watchdog(case, argv, self.launcher, folder, number)
        config = case.spec["config"]
        return ProgramWatchdog(case, argv, choose(config["launcher"], config["processes"], self.launcher), folder)

    def _launch(self, case: Case, folder: Path, number: int) -> Verdict:
        watchdog = self._watchdog(case, folder, number)
        watchdog.on_tick = lambda members: self.display.tick(case, members)
        watchdog.stopped = self.stop.is_set
        try:
            return watchdog.watch()
        except Exception as error:  # the harness failed, the case was not judged
            (folder / "harness-error.txt").write_text(traceback.format_exc())
            return Verdict(Outcome.INVALID, Cause.HARNESS, f"{type(error).__name__}: {error}")


def rerun_command(case: Case, launcher: Launcher, overrides: Sequence[str] = ()) -> str:
    """The exact command that runs this case again, from the same folder."""
    words = ["lockstep", "run", case.path, "--case", case.id, "--launcher", launcher.name, "--device", case.spec["device"]]
    words += [word for text in overrides for word in ("--set", text)]
    if case.spec.get("skew") and not any(text.partition("=")[0] in ("skew", SEED) for text in (*overrides, *case.point)):
        words += ["--set", f"{SEED}={case.spec['skew']['seed']}"]
    return " ".join(shlex.quote(word) for word in words)
