"""A launcher that starts more supervisors than it was asked for: the case cannot be judged, and nothing of it stays."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from lockstep.harness.environment import TOKEN
from lockstep.harness.host import proc
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.none import NoMpi
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.session import CaseSession
from tests.attach.launch import watchdog as program_watchdog
from tests.watchdog.launch import watchdog as engine_watchdog

RANKS = 2


class Lying(Launcher):
    """One that starts what another starts, but for its command line."""

    def __init__(self, real: Launcher) -> None:
        self._real = real

    name = property(lambda self: self._real.name)
    program = property(lambda self: self._real.program)
    version = property(lambda self: self._real.version)
    environment = property(lambda self: self._real.environment)
    withheld = property(lambda self: self._real.withheld)
    folder_variable = property(lambda self: self._real.folder_variable)

    def end(self, name: str) -> None:
        """As the other."""
        self._real.end(name)


class Twice(Lying):
    """It starts all ranks two times."""

    def command(self, rank_map: RankMap, argv: list[str], folder: Path, environment: Iterable[str] = ()) -> list[str]:
        """By a shell."""
        return ["sh", "-c", '"$@" & exec "$@"', "sh", *self._real.command(rank_map, argv, folder, environment)]


class OneTooMany(Lying):
    """It starts a rank more than there are."""

    def command(self, rank_map: RankMap, argv: list[str], folder: Path, environment: Iterable[str] = ()) -> list[str]:
        """As for one more."""
        return self._real.command(RankMap.on_this_host(rank_map.ranks + 1), argv, folder, environment)


def engine(launcher: Launcher, folder: Path) -> CaseSession:
    """Ranks that would go on for ever."""
    dog = engine_watchdog("stay", RANKS, folder)
    dog.launcher = launcher
    return dog


def program(launcher: Launcher, folder: Path) -> CaseSession:
    """A command that would go on for ever."""
    dog = program_watchdog([sys.executable, "-c", "import time; time.sleep(600)"], RANKS, folder)
    dog.launcher = launcher
    return dog


@pytest.mark.parametrize("real", [find, NoMpi])
@pytest.mark.parametrize("kind", [engine, program])
@pytest.mark.parametrize(
    ("lies", "text"),
    [(Twice, "two supervisors say that they are rank"), (OneTooMany, "a supervisor says that it is rank 2 of 2")],
)
def test_surplus(
    lies: Callable[[Launcher], Launcher],
    text: str,
    kind: Callable[[Launcher, Path], CaseSession],
    real: Callable[[], Launcher],
    tmp_path: Path,
) -> None:
    """It is the launcher's fault, said in one sentence; no rank is judged by what its double does, and all are ended."""
    dog = kind(lies(real()), tmp_path)
    verdict: Verdict = dog.watch()
    assert (verdict.outcome, verdict.cause) == (Outcome.INVALID, Cause.LAUNCH), verdict.text
    assert text in verdict.text
    assert not proc.with_variable(TOKEN, dog.token)
