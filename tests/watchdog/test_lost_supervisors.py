"""Supervisors that are killed, stopped or cut off in the middle of a case: never a verdict on what others do about it."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.hydra import Hydra
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.trace.state import Status
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.listener import Silent
from lockstep.harness.watchdog.ranks.rank_table import RankTable
from lockstep.harness.watchdog.session import CaseSession
from tests.watchdog.launch import watchdog

RANKS = 2
VICTIM = 0
SILENCE_S = 3.0
Moment = Callable[[CaseSession], bool]


def at_hello(dog: CaseSession) -> bool:
    """All supervisors are there."""
    return dog.state.registry.complete()


def in_init(dog: CaseSession) -> bool:
    """Every rank is in MPI_Init, or past it."""
    return dog.state.registry.complete() and all(record.state.number for _, record in dog.state.ranks)


def before_the_verdict(dog: CaseSession) -> bool:
    """Something would be judged now."""
    aborted = any(record.state.status is Status.ABORTED for _, record in dog.state.ranks)
    return dog.state.registry.complete() and (aborted or dog.state.ranks.over() or dog.state.proof.pending())


def patient(launcher: Launcher) -> Launcher:
    """A launcher that goes on when a process of it dies, as one does that does not see its host die."""
    return PatientHydra(launcher.program, launcher.version) if isinstance(launcher, Hydra) else launcher


class PatientHydra(Hydra):
    """It does not end the others when one has died."""

    def arguments(self, rank_map: RankMap, folder: Path) -> list[str]:
        """With the option that says so."""
        return ["-disable-auto-cleanup", *super().arguments(rank_map, folder)]


class Attack(Silent):
    """Does something to one supervisor, once, when the moment has come and before anything is judged of it."""

    def __init__(self, dog: CaseSession, moment: Moment, act: Callable[[int], None]) -> None:
        self.at_s: float | None = None
        self._dog, self._moment, self._act = dog, moment, act
        dog.listener = self

    def tick(self, ranks: RankTable) -> None:
        """Called by the watchdog in every round, before it judges."""
        if self.at_s is None and not self._dog.state.liveness_round.open and self._moment(self._dog):
            self.at_s = time.monotonic()
            self._act(self._dog.state.registry[VICTIM].supervisor)


def kill(pid: int) -> None:
    """As its host's kernel would for want of memory."""
    os.kill(pid, signal.SIGKILL)


def stop(pid: int) -> None:
    """As if its host had lost its link."""
    os.kill(pid, signal.SIGSTOP)


def stop_for(seconds: float) -> Callable[[int], None]:
    """As if the link were mended."""

    def act(pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        timer = threading.Timer(seconds, os.kill, (pid, signal.SIGCONT))
        timer.daemon = True
        timer.start()

    return act


@pytest.fixture
def dogs(tmp_path: Path) -> Iterator[Callable[..., CaseSession]]:
    """Makes watchdogs whose launcher does not end a job over one dead process."""

    def make(program: str, **limits: float) -> CaseSession:
        dog = watchdog(program, RANKS, tmp_path, **{"silence_s": SILENCE_S, **limits})
        dog.launcher = patient(dog.launcher)
        return dog

    yield make


def is_lost(verdict: Verdict) -> bool:
    """Whether the verdict says that a node was lost, and which."""
    where = f"{os.uname().nodename} (rank {VICTIM})"
    return (verdict.outcome, verdict.cause) == (Outcome.INVALID, Cause.NODE_LOST) and (
        where in verdict.text or "the launcher ended" in verdict.text
    )


@pytest.mark.parametrize(
    ("program", "moment"),
    [
        ("clean", at_hello),
        *((program, moment) for moment in (in_init, before_the_verdict) for program in ("clean", "deadlock", "raise_all")),
        *((program, before_the_verdict) for program in ("kill_one", "abort")),
    ],
)
def test_who_is_killed_is_lost(program: str, moment: Moment, dogs: Callable[..., CaseSession]) -> None:
    """kill -9 of a supervisor, whatever its rank and the others do: no hang, no raise, no crash, no success is judged."""
    dog = dogs(program)
    attack = Attack(dog, moment, kill)
    verdict = dog.watch()
    assert attack.at_s is not None
    assert is_lost(verdict), verdict


def test_who_stays_silent_is_lost(dogs: Callable[..., CaseSession]) -> None:
    """A supervisor that answers no more holds the verdict back, and is lost when the limit of silence is over."""
    dog = dogs("raise_all")
    attack = Attack(dog, before_the_verdict, stop)
    verdict = dog.watch()
    assert attack.at_s is not None
    assert is_lost(verdict), verdict
    assert verdict.start_to_verdict_s is not None
    assert verdict.start_to_verdict_s + dog.state.judgement.started_s > attack.at_s + SILENCE_S - 2


@pytest.mark.parametrize(
    ("program", "moment", "outcome", "cause"),
    [
        ("clean", in_init, Outcome.SUCCESS, Cause.NONE),
        ("deadlock", before_the_verdict, Outcome.HANG, Cause.DEADLOCK),
        ("raise_all", before_the_verdict, Outcome.RAISE, Cause.ALL_RANKS),
    ],
)
def test_who_comes_back_is_waited_for(
    program: str, moment: Moment, outcome: Outcome, cause: Cause, dogs: Callable[..., CaseSession]
) -> None:
    """A supervisor that is stopped for a while delays the verdict; it is the same, and its time tells of the delay."""
    dog = dogs(program, silence_s=30.0)
    attack = Attack(dog, moment, stop_for(3.0))
    verdict = dog.watch()
    assert attack.at_s is not None
    assert (verdict.outcome, verdict.cause) == (outcome, cause), verdict.text
    assert verdict.start_to_verdict_s is not None
    assert verdict.start_to_verdict_s + dog.state.judgement.started_s > attack.at_s + 2.9


@pytest.mark.parametrize(("program", "deadline_s"), [("livelock", 60.0), ("deadlock", 1.0)])
def test_no_limit_judges_who_is_silent(program: str, deadline_s: float, dogs: Callable[..., CaseSession]) -> None:
    """A deadline, or the window of a livelock, that is reached while somebody is silent waits until he has spoken."""
    dog = dogs(program, silence_s=30.0, livelock_s=2.0)

    def act(pid: int) -> None:
        stop_for(5.0)(pid)
        due_s = time.monotonic() - dog.state.judgement.started_s + deadline_s
        dog.state.judgement.limits = replace(dog.case.limits, deadline_s=due_s)

    attack = Attack(dog, in_init, act)
    verdict = dog.watch()
    assert attack.at_s is not None
    assert verdict.start_to_verdict_s is not None
    assert verdict.start_to_verdict_s + dog.state.judgement.started_s > attack.at_s + 4.9
    proved = (Cause.DEADLOCK, True) if program == "deadlock" else (Cause.LIVELOCK, False)
    assert (verdict.cause, verdict.proved) == proved, verdict.text
