"""What a case costs beyond its engine's work: a 4-rank case against bare mpiexec, all importing torch and meeting once.

Interleaved, as ratios: with ranks that start by themselves, and with ranks forked from a process that has torch. And
the CPU time that a supervisor takes to start.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.fork_servers import ForkServers
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.vocabulary import Outcome
from tests.watchdog.launch import case, launched_from

RANKS = 4
ROUNDS = 7
BARE = "import torch; from mpi4py import MPI; MPI.COMM_WORLD.Barrier()"
SUPERVISOR = """
import time
from lockstep.harness.trace.ring import Ring
import lockstep.harness.supervisor.rank, lockstep.harness.channel.supervisor_end, lockstep.harness.host.stacks
import zmq
ring = Ring(0, 4)
socket = zmq.Context().socket(zmq.DEALER)
print(time.process_time())
import os
os._exit(0)
"""


def measure() -> dict[str, float]:
    """Seconds (medians), their ratio, and CPU milliseconds of a supervisor's start."""
    bare, fresh, forked = [], [], []
    with ForkServers() as servers:
        server = servers.address(("torch", "numpy.random"), find(), RankMap.on_this_host(RANKS))
        for _ in range(ROUNDS):
            bare.append(_timed(_bare))
            fresh.append(_timed(lambda: _case("")))
            forked.append(_timed(lambda: _case(server)))
    starts = [float(subprocess.check_output([sys.executable, "-c", SUPERVISOR])) for _ in range(ROUNDS)]
    return {
        "bare mpiexec s": statistics.median(bare),
        "case s": statistics.median(fresh),
        "forked case s": statistics.median(forked),
        "ratio": statistics.median(fresh) / statistics.median(bare),
        "forked ratio": statistics.median(forked) / statistics.median(bare),
        "supervisor start, CPU ms": statistics.median(starts) * 1e3,
    }


def _timed(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _bare() -> None:
    subprocess.run(find().command(RankMap.on_this_host(RANKS), [sys.executable, "-c", BARE], Path()), check=True)


def _case(server: str) -> None:
    """`server`: from which ranks are forked; empty: none is."""
    with tempfile.TemporaryDirectory() as folder:
        verdict = launched_from(server, case("torch_barrier", RANKS), Path(folder)).watch()
    if verdict.outcome is not Outcome.SUCCESS:
        raise RuntimeError(verdict.text)


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name}: {value:.2f}")
