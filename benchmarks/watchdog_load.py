"""One real watchdog under the traffic of simulated supervisors: `python -m benchmarks.watchdog_load RANKS [STEP_S] [clean]`.

Real: head, sockets, encryption, members, proof, judge, files. Simulated: the ranks and their supervisors, which write real
events into real rings and speak the real protocol from two processes of this machine.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from harness.judge.verdict import Verdict
from harness.launch.job import Job
from harness.watch.head import Head
from harness.watch.watchdog import Watchdog
from tests.watch.launch import case
from tests.watch.simulated_supervisors import launcher

PROCESSES = 2
SIZES = (100, 1000)


class Measured(Watchdog):
    """A watchdog that notes when what came."""

    def __init__(self, ranks: int, folder: Path, step_s: float, lacking: int) -> None:
        limits = {"deadline_s": 600.0, "livelock_s": 300.0, "launch_s": 300.0, "teardown_s": 60.0}
        super().__init__(case("simulated", ranks, **limits), [], launcher(PROCESSES, step_s, lacking), folder)
        self.hellos: list[float] = []
        self.latencies: list[float] = []
        self.looks: list[float] = []
        self.messages = 0
        self.busy_messages = 0
        self.begun_s = 0.0
        self.proved_s = 0.0
        self.delta_s: list[float] = []

    def _take(self, head: Head, rank: int, message: dict[str, Any]) -> None:
        now = time.monotonic()
        if message["type"] == "hello":
            self.hellos.append(now)
        self.messages += 1
        super()._take(head, rank, message)
        if message["type"] == "delta":
            self.latencies.append(time.monotonic() - self.members[rank].state.last_ns / 1e9)
            self.delta_s.append(now)

    def _judge(self, head: Head, job: Job) -> Verdict:
        look = self.proof.look

        def timed() -> list[int]:
            start = time.perf_counter()
            found = look()
            self.looks.append(time.perf_counter() - start)
            return found

        object.__setattr__(self, "judge_cpu_s", time.process_time())
        self.proof = _Timed(self.proof, timed)  # type: ignore[assignment]
        return super()._judge(head, job)

    def _verdict(self, *args: Any, **kwargs: Any) -> Verdict:
        self.proved_s = time.monotonic()
        verdict = super()._verdict(*args, **kwargs)
        self.decided_s = time.monotonic()
        self.cpu_at_verdict = time.process_time()
        return verdict


class _Timed:
    def __init__(self, proof: Any, look: Any) -> None:
        self.__dict__["_proof"] = proof
        self.__dict__["look"] = look

    def __getattr__(self, name: str) -> Any:
        return getattr(self._proof, name)


def measure_one(ranks: int, step_s: float = 0.05, clean: bool = False) -> dict[str, float]:
    """The figures of one simulated start-up."""
    with tempfile.TemporaryDirectory() as folder:
        lacking = -1 if clean else ranks // 2 + 3
        dog = Measured(ranks, Path(folder), step_s, lacking)
        started, cpu = time.monotonic(), time.process_time()
        verdict = dog.watch()
        ended = time.monotonic()
    if (clean and verdict.outcome.value != "success") or (not clean and not verdict.proved):
        raise RuntimeError(f"{verdict.outcome.value} {verdict.cause.value}: {verdict.text[:2000]}")
    print(verdict.text[:300], file=sys.stderr)
    lat = sorted(dog.latencies)
    rss = psutil.Process().memory_info().rss
    return {
        "hello span s": dog.hellos[-1] - dog.hellos[0],
        "handshakes a second": (ranks - 1) / (dog.hellos[-1] - dog.hellos[0]),
        "messages": float(dog.messages),
        "deltas": float(len(dog.latencies)),
        "delta span s": dog.delta_s[-1] - dog.delta_s[0],
        "events": float(verdict.events),
        "delta latency median s": lat[len(lat) // 2],
        "delta latency p99 s": lat[int(len(lat) * 0.99)],
        "delta latency max s": lat[-1],
        "looks": float(len(dog.looks)),
        "look s, mean": sum(dog.looks) / max(1, len(dog.looks)),
        "look s, longest": max(dog.looks, default=0.0),
        "last block to proof s": verdict.last_block_to_verdict_s or 0.0,
        "verdict decided after proof s": dog.decided_s - dog.proved_s,
        "head CPU s to verdict": dog.cpu_at_verdict - cpu,
        "head CPU share from first delta to proof": 0.0,
        "total s": ended - started,
        "after the verdict s": ended - dog.decided_s,
        "head memory MiB, most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "head memory MiB, end": rss / 2**20,
    }


if __name__ == "__main__":
    for name, value in measure_one(int(sys.argv[1]), *map(float, sys.argv[2:3]), clean="clean" in sys.argv).items():
        print(f"{name}: {value:.4g}")
