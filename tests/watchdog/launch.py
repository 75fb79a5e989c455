"""Runs one of the programs of `ranks.py` under the real watchdog. Also a command, so that a test can kill the head.

`python -m tests.watchdog.launch NAME RANKS FOLDER` prints the verdict as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.discovery import find
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
    argv = [sys.executable, "-m", "tests.watchdog.ranks", name]
    return CaseSession(EngineTarget(case(name, ranks, **limits), argv), find(), folder)


def judge(name: str, ranks: int, folder: Path, **limits: float) -> Verdict:
    """The verdict on a program."""
    return watchdog(name, ranks, folder, **limits).watch()


def main(name: str, ranks: str, folder: str) -> None:
    """Judge one program and print the verdict."""
    verdict: dict[str, Any] = judge(name, int(ranks), Path(folder)).to_json()
    print(json.dumps(verdict))


if __name__ == "__main__":
    main(*sys.argv[1:])
