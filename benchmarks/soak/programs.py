"""What is launched, and which verdicts are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.soak.disturbance import Disturbance
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.session import CaseSession
from tests.attach import launch as attached
from tests.watchdog import launch as engine

RANKS = 3
PATIENCE = {"deadline_s": 300.0, "livelock_s": 200.0, "launch_s": 200.0}  # a machine may be as busy as it likes
# What a killed part may make of any program: its rank ends, or what watches it does, or the launcher.
OF_A_KILL = {
    (Outcome.INVALID, Cause.NODE_LOST), (Outcome.INVALID, Cause.LAUNCH), (Outcome.HANG, Cause.ORPHANED),
    (Outcome.CRASH, Cause.SIGNAL), (Outcome.CRASH, Cause.ABORT), (Outcome.RAISE, Cause.SOME_RANKS),
    (Outcome.RAISE, Cause.ALL_RANKS),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Program:
    """A program with its right verdict when it is left alone."""

    name: str
    outcome: Outcome
    cause: Cause
    session: Callable[[str, Path], CaseSession]

    @property
    def title(self) -> str:
        """In the table."""
        return f"{self.name}, {'engine' if self.session is _engine else 'MPI program'}"

    def judged(self, verdict: Verdict, disturbance: Disturbance) -> bool:
        """Whether the verdict is right. A part that was stopped and goes on changes nothing; after a kill the job may
        end in several ways, but nobody may be called deadlocked who was not."""
        found = (verdict.outcome, verdict.cause)
        usual = found == (self.outcome, self.cause) and (verdict.proved is True or self.outcome is not Outcome.HANG)
        return usual or (disturbance is Disturbance.KILL and found in OF_A_KILL)


def _engine(name: str, folder: Path) -> CaseSession:
    return engine.watchdog(name, RANKS, folder, **PATIENCE)


def _mpi(name: str, folder: Path) -> CaseSession:
    return attached.watchdog(attached.python("mpi_program.py", name), RANKS, folder, PATIENCE["deadline_s"])


PROGRAMS = [
    Program("clean", Outcome.SUCCESS, Cause.NONE, _engine),
    Program("jitter", Outcome.SUCCESS, Cause.NONE, _engine),
    Program("deadlock", Outcome.HANG, Cause.DEADLOCK, _engine),
    Program("raise_one", Outcome.HANG, Cause.ORPHANED, _engine),
    Program("raise_all", Outcome.RAISE, Cause.ALL_RANKS, _engine),
    Program("kill_unneeded", Outcome.CRASH, Cause.SIGNAL, _engine),
    Program("abort", Outcome.CRASH, Cause.ABORT, _engine),
    Program("clean", Outcome.SUCCESS, Cause.NONE, _mpi),
    Program("deadlock", Outcome.HANG, Cause.DEADLOCK, _mpi),
]
