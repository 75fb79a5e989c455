"""Real supervisors on one machine, as many as it holds: `python -m benchmarks.supervisors RANKS`.

Real: watchdog, launcher (Hydra, or `none` for Lockstep's own), supervisors, processes, verdict, teardown. The engine is a
few lines of Python (`benchmarks/dummy_engine.py`), so that what is measured is ours. More arguments: `deadlock` or `clean`,
and the launcher.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.environment import TOKEN
from lockstep.harness.host import proc
from lockstep.harness.judge.guarded import Guarded
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.none import NoMpi
from lockstep.harness.vocabulary import Outcome
from lockstep.harness.watchdog.listener import Silent
from lockstep.harness.watchdog.ranks.rank_table import RankTable
from lockstep.harness.watchdog.run_loop import RunLoop
from lockstep.harness.watchdog.session import CaseSession
from lockstep.harness.watchdog.targets import EngineTarget
from tests.watchdog.launch import case

SIZES = (16, 64)
LIMITS = {"deadline_s": 500.0, "livelock_s": 300.0, "launch_s": 300.0, "teardown_s": 60.0}
REST_S = 2.0  # for which everybody only waits, to see what that costs


@dataclass(frozen=True, slots=True)
class Cost:
    """What processes of one kind have taken."""

    count: int
    cpu_s: float
    rss_bytes: float  # of one, mean
    pss_bytes: float

    @staticmethod
    def of(pids: list[int], word: str) -> Cost:
        """Of those whose command line has this word."""
        cpu = rss = pss = count = 0.0
        for pid in pids:
            try:
                found = psutil.Process(pid)
                if word not in found.cmdline():
                    continue
                times, memory = found.cpu_times(), found.memory_full_info()
            except psutil.Error:
                continue
            count, cpu = count + 1, cpu + times.user + times.system
            rss, pss = rss + memory.rss, pss + memory.pss
        return Cost(int(count), cpu, rss / max(1, count), pss / max(1, count))


class Measured(CaseSession):
    """A session that looks around when it has judged."""

    def _with_evidence(self, judged: Verdict, end: Head, loop: RunLoop, guarded: Guarded) -> Verdict:
        self.head_cpu_s = time.process_time()
        started_s = self.state.judgement.started_s
        self.verdict_s = time.monotonic() - started_s
        pids = proc.with_variable(TOKEN, self.token)
        before, then_s = Cost.of(pids, "lockstep.harness.supervisor.rank"), time.monotonic()
        self.supervisors, self.engines = before, Cost.of(pids, "benchmarks.dummy_engine")
        loop.listen_until(lambda: False, REST_S)
        after, passed_s = Cost.of(pids, "lockstep.harness.supervisor.rank"), time.monotonic() - then_s
        self.idle = (after.cpu_s - before.cpu_s) / passed_s
        self.idle_head = (time.process_time() - self.head_cpu_s) / passed_s
        self.judged_s = time.monotonic()
        return super()._with_evidence(judged, end, loop, guarded)


class Reports(Silent):
    """Notes when all supervisors have said hello."""

    at_s = 0.0

    def tick(self, ranks: RankTable) -> None:
        """To within a round of listening."""
        if not self.at_s and ranks.processes.complete():
            self.at_s = time.monotonic()


def measure_one(ranks: int, program: str = "deadlock", launcher: str = "hydra") -> dict[str, float]:
    """The figures of one case. Raises RuntimeError when the verdict is not what the program comes to, or something stays."""
    argv = [sys.executable, "-m", "benchmarks.dummy_engine", program]
    cpu = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        mpi = NoMpi() if launcher == "none" else find(launcher)
        reports = Reports()
        dog = Measured(EngineTarget(case(program, ranks, **LIMITS), argv), mpi, Path(folder), listener=reports)
        verdict = dog.watch()
        ended_s = time.monotonic()
    wanted = (Outcome.HANG, True, (ranks - 1,)) if program == "deadlock" else (Outcome.SUCCESS, None, None)
    if (verdict.outcome, verdict.proved, verdict.blame and verdict.blame.ranks) != wanted or (
        verdict.findings and program == "clean"
    ):
        raise RuntimeError(f"{verdict.outcome.value} {verdict.cause.value}: {verdict.text[:2000]} {verdict.findings}")
    left = proc.with_variable(TOKEN, dog.token)
    if left:
        raise RuntimeError(f"{len(left)} processes stay")
    found = {
        "all have reported after s": reports.at_s - dog.state.judgement.started_s,
        "verdict after s": dog.verdict_s,
        "head CPU s to the verdict": dog.head_cpu_s - cpu,
        "supervisors, CPU s of all to the verdict": dog.supervisors.cpu_s,
        "engines, CPU s of all to the verdict": dog.engines.cpu_s,
        "supervisor, resident MiB": dog.supervisors.rss_bytes / 2**20,
        "supervisor, its share MiB (PSS)": dog.supervisors.pss_bytes / 2**20,
        "engine, its share MiB (PSS)": dog.engines.pss_bytes / 2**20,
        "cores that all supervisors take while ranks wait": dog.idle,
        "cores that the head takes meanwhile": dog.idle_head,
        "head memory MiB, most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "verdict to end s": ended_s - dog.judged_s,
    }
    if verdict.last_block_to_verdict_s is not None:
        found["last block to verdict s"] = verdict.last_block_to_verdict_s
    return found


def measure() -> dict[str, float]:
    """The figures of the small sizes."""
    return {f"{ranks} supervisors, {name}": value for ranks in SIZES for name, value in measure_one(ranks).items()}


if __name__ == "__main__":
    for name, value in measure_one(int(sys.argv[1]), *sys.argv[2:]).items():
        print(f"{name}: {value:.4g}")
