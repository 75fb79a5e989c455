"""Runs one of the programs of `ranks.py` under the real watchdog. Also a command, so that a test can kill the head.

`python -m tests.watchdog.launch NAME RANKS FOLDER [forked]` prints the verdict as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.fork_servers import ForkServers
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.scenario.case import Case, Expectation, Limits
from lockstep.harness.watchdog.session import CaseSession
from lockstep.harness.watchdog.targets import EngineTarget

# What the minimal engine says that it needs of hosts: nothing in particular.
NEEDS_NOTHING: dict[str, Any] = {
    "gpu": {"plane": "auto", "memory_bytes": None},
    "kv_capacity": {"unit": "fraction", "per_rank": []},
    "habits": {"step_broadcast": "none"},
    "config": {"autotuner_cache": "memory"},
}


def case(name: str, ranks: int, **limits: float) -> Case:
    """A case around a program, with short limits."""
    return Case(
        id=name,
        scenario=name,
        path="tests/watchdog/ranks.py",
        source="",
        summary="",
        tags=(),
        engine="minimal",
        ranks=ranks,
        point={},
        spec=NEEDS_NOTHING,
        limits=Limits(**{"deadline_s": 30.0, "livelock_s": 15.0, "launch_s": 30.0, "teardown_s": 5.0, **limits}),
        expect=Expectation(outcome="success"),
    )


def watchdog(name: str, ranks: int, folder: Path, **limits: float) -> CaseSession:
    """The watchdog of a program, not yet started."""
    return launched_from("", case(name, ranks, **limits), folder)


def launched_from(fork_server: str, program: Case, folder: Path) -> CaseSession:
    """The same, with ranks that are forked; empty: that start by themselves."""
    argv = [sys.executable, "-m", "tests.watchdog.ranks", program.id]
    return CaseSession(EngineTarget(program, argv, fork_server=fork_server), find(), folder)


def judge(name: str, ranks: int, folder: Path, **limits: float) -> Verdict:
    """The verdict on a program."""
    return watchdog(name, ranks, folder, **limits).watch()


def main(name: str, ranks: str, folder: str, forked: str = "") -> None:
    """Judge one program and print the verdict."""
    with ForkServers() as servers:
        server = servers.address(("numpy.random",), find(), RankMap.on_this_host(int(ranks))) if forked else ""
        verdict: dict[str, Any] = launched_from(server, case(name, int(ranks)), Path(folder)).watch().to_json()
    print(json.dumps(verdict))


if __name__ == "__main__":
    main(*sys.argv[1:])
