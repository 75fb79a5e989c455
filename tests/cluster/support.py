"""Commands of Lockstep on the head host, and what they leave on any host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.cluster.hosts import ROOT, Cluster

BIN = Path(sys.executable).parent
LOCKSTEP = BIN / "lockstep"
PROGRAMS = ROOT / "scenarios" / "command" / "programs"
REPORTS = "/tmp/reports"  # of the head: the hosts share nothing but the checkout


def environment(**more: str) -> dict[str, str]:
    """As in an activated environment."""
    return {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **more}


def lockstep(
    cluster: Cluster, *words: str | Path, env: Mapping[str, str] | None = None, timeout_s: float = 240.0
) -> subprocess.CompletedProcess[str]:
    """A command of Lockstep on the head, whatever its exit code."""
    where = ["--reports", REPORTS] if words[0] in ("run", "watch") else []
    first, *rest = words
    argv = [LOCKSTEP, first, *where, *rest]
    return cluster.run(cluster.head, argv, environment(**(env or {})), timeout_s=timeout_s, check=False)


def last_run(cluster: Cluster) -> Path:
    """The folder of the last run, as this machine finds it."""
    reports = cluster[cluster.head].path(REPORTS)
    return reports / (reports / "latest").readlink()


def verdicts(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """Of the last run, by the folder of the case."""
    found = sorted((last_run(cluster) / "cases").glob("*/verdict.json"))
    return {str(path.parent): json.loads(path.read_text()) for path in found}


def left(cluster: Cluster) -> dict[str, list[str]]:
    """What is on hosts that nobody needs: processes, shared memory, temporary files; by host, clean ones left out."""
    found: dict[str, list[str]] = {}
    for name, host in cluster.hosts.items():
        files = [*host.path("/dev/shm").iterdir(), *host.path("/tmp").glob("*lockstep*"), *host.path("/tmp").glob("*hydra*")]
        files += [*host.path("/tmp").glob("prte*"), *host.path("/tmp").glob("pmix*"), *host.path("/tmp").glob("ompi*")]
        things = [" ".join(words) for words in host.processes().values()] + [path.name for path in files]
        if things:
            found[name] = things
    return found


def all_clean(cluster: Cluster, timeout_s: float = 30.0) -> None:
    """Nothing is left on any host, now or soon."""
    until(lambda: not left(cluster), timeout_s, lambda: f"left behind: {left(cluster)}")


def until(done: Callable[[], bool], timeout_s: float = 30.0, why: Callable[[], str] = lambda: "it took too long") -> None:
    """Wait until it is so."""
    end = time.monotonic() + timeout_s
    while not done():
        assert time.monotonic() < end, why()
        time.sleep(0.05)
