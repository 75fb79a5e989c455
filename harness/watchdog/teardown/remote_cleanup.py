"""The watchdog's side of a sweep: the launcher of the case starts one process on each host that may hold its rest."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lockstep.harness import environment
from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.sweep import MARK
from lockstep.harness.interpreter import python_module
from lockstep.harness.judge.verdict import Finding
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.job import Job
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import NodeRanks, RankMap
from lockstep.harness.vocabulary import FindingKind

SWEEP = python_module("lockstep.harness.host.sweep")
SWEEP_S = 20.0  # for all hosts together


def sweep_hosts(
    launcher: Launcher, rank_map: RankMap, hosts: Sequence[str], order: Mapping[str, Any], folder: Path, silence_s: float
) -> list[Finding]:
    """Sweep these hosts of the map, each by a launch of its own: one that cannot be reached must not keep the others.

    What was found is told, and which host could not be reached: what lives there ends by itself, when its supervisors have
    heard nothing of the watchdog for `silence_s`.
    """
    jobs = {
        host: _start(launcher, rank_map, host, order, folder / f"sweep-{number}.log") for number, host in enumerate(hosts)
    }
    until = time.monotonic() + SWEEP_S
    wait_until(lambda: all(job is None or job.exit_code() is not None for job in jobs.values()), SWEEP_S)
    found: list[Finding] = []
    for host, job in jobs.items():
        told = None
        if job is not None:
            job.end(patience_s=max(0.0, until - time.monotonic()))
            told = _told(job.log)
        if told is None:
            text = f"{host} could not be swept: what the case left there ends after {silence_s:.0f} s without the watchdog"
            found.append(Finding(FindingKind.LEAK, text, {"host": host, "reached": False}))
        elif told["processes"]:
            text = f"on {host}: {len(told['processes'])} processes of the case were still alive, and were killed"
            found.append(Finding(FindingKind.LEAK, text, {"host": host, "reached": True, **told}))
    return found


def _start(launcher: Launcher, rank_map: RankMap, host: str, order: Mapping[str, Any], log: Path) -> Job | None:
    alone = replace(rank_map, nodes=(NodeRanks(host, 1),), local=False)
    try:
        return Job(launcher, alone, SWEEP, {environment.SWEEP: json.dumps(order)}, log)
    except LaunchError:
        return None


def _told(log: Path) -> dict[str, list[str]] | None:
    for line in log.read_text(errors="replace").splitlines():
        _, mark, told = line.partition(MARK)
        if mark:
            found: dict[str, list[str]] = json.loads(told)
            return found
    return None
