"""Runs a program under the real watchdog of programs."""

from __future__ import annotations

import sys
from pathlib import Path

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.discovery import choose
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.scenario.case import Case, Expectation, Limits
from lockstep.harness.watchdog.session import CaseSession
from lockstep.harness.watchdog.targets import ProgramTarget

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


def watchdog(argv: list[str], processes: int, folder: Path, deadline_s: float = 100.0) -> CaseSession:
    """The watchdog of a command, not yet started."""
    case = Case(
        id="program", scenario="program", path="", source="", summary="", tags=(), engine="command", ranks=processes,
        point={}, spec={"config": {"argv": argv}, "env": {"GLOO_SOCKET_IFNAME": "lo"}},
        expect=Expectation(outcome="success"), limits=Limits(deadline_s=deadline_s),
    )  # fmt: skip
    return CaseSession(ProgramTarget(case, argv), choose("auto", RankMap.on_this_host(processes)), folder)


def watch(argv: list[str], processes: int, folder: Path, deadline_s: float = 100.0) -> Verdict:
    """The verdict on a command."""
    return watchdog(argv, processes, folder, deadline_s).watch()


def python(program: str, *words: str) -> list[str]:
    """The command line of a program of this folder."""
    return [sys.executable, str(HERE / program), *words]
