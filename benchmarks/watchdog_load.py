"""One real watchdog under the traffic of simulated supervisors: `python -m benchmarks.watchdog_load RANKS [STEP_S]`.

Real: sockets, encryption, members, proof, judge, files, all in this process. Simulated: the ranks and their supervisors, who
write real events into real rings and speak the real protocol, from other processes. One rank has fewer blocks than
the others and deadlocks them; with --clean none has. --wide: all ranks are one group of expert parallelism, and all are
stuck at once. STEP_S: seconds that a rank computes between collectives.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lockstep.harness.channel.messages import Delta, FromSupervisor, Hello, News
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.job import Job
from lockstep.harness.launch.probe import usable_cores
from lockstep.harness.vocabulary import Outcome
from lockstep.harness.watchdog.engine_session import Watchdog
from lockstep.harness.watchdog.session import Ground
from tests.watchdog.launch import case
from tests.watchdog.simulated_supervisors import Simulation

PROCESSES = min(16, max(2, usable_cores() - 2))  # that simulate; a core is the watchdog's
SIZES = (100, 1000)
LIMITS = {"deadline_s": 600.0, "livelock_s": 300.0, "launch_s": 300.0, "teardown_s": 60.0}


class Measured(Watchdog):
    """A watchdog that notes what it does, and when."""

    def __init__(self, ranks: int, folder: Path, options: list[str]) -> None:
        super().__init__(case("simulated", ranks, **LIMITS), [], Simulation(PROCESSES, options), folder)
        self.hellos: list[float] = []
        self.latencies: list[float] = []  # from the last event of a delta to its being folded in
        self.deltas: list[float] = []  # when
        self.looks: list[float] = []
        self.asked: list[float] = []
        self.messages = 0
        self.proved_after_s: float | None = None
        self.judged: list[float] = []
        self.cpu: dict[str, float] = {}

    def _judge(self, head: Head, job: Job) -> Verdict:
        receive = head.receive

        def counted(timeout_ms: int) -> Iterator[tuple[int, FromSupervisor]]:
            for item in receive(timeout_ms):
                self.messages += 1
                yield item

        head.receive = counted  # type: ignore[method-assign]
        verdict = super()._judge(head, job)
        self.ended_s, self.cpu["verdict"] = time.monotonic(), time.process_time()
        self.messages_to_verdict = self.messages
        return verdict

    def _take(self, head: Head, number: int, message: News) -> None:
        super()._take(head, number, message)
        now = time.monotonic()
        if isinstance(message, Hello):
            self.hellos.append(now)
        elif isinstance(message, Delta):
            if not self.deltas:
                self.cpu["first delta"] = time.process_time()
            self.deltas.append(now)
            self.latencies.append(now - self.members[number].state.last_ns / 1e9)

    def _certain(self, head: Head, now: float) -> Ground | None:
        judged = self.proof.judged
        began = time.perf_counter()
        found = super()._certain(head, now)
        if self.proof.judged != judged:
            self.looks.append(time.perf_counter() - began)  # with the questions that it leads to
        if self.proof.first_proved_s is not None and self.proved_after_s is None:
            last = max(stuck.wait.since_ns for stuck in self.proof.knot)
            self.proved_after_s = time.monotonic() - last / 1e9
        return found

    def _verdict(self, ground: Ground, now: float) -> Verdict:
        began = time.perf_counter()
        verdict = super()._verdict(ground, now)
        self.judged.append(time.perf_counter() - began)
        return verdict


def measure_one(ranks: int, step_s: float = 0.1, clean: bool = False, wide: bool = False) -> dict[str, float]:
    """The figures of one simulated start-up. Raises RuntimeError when the verdict is not what its ranks came to."""
    lacking = -1 if clean else ranks // 2 + 3
    with tempfile.TemporaryDirectory() as folder:
        dog = Measured(ranks, Path(folder), [str(step_s), str(lacking), str(ranks if wide else 64)])
        cpu = time.process_time()
        verdict = dog.watch()
        ended_s = time.monotonic()
    wanted = (Outcome.SUCCESS, None) if clean else (Outcome.HANG, True)
    if (verdict.outcome, verdict.proved) != wanted or (verdict.blame is not None and verdict.blame.ranks != (lacking,)):
        raise RuntimeError(f"{verdict.outcome.value} {verdict.cause.value}: {verdict.text[:2000]}")
    late, span_s = sorted(dog.latencies), dog.deltas[-1] - dog.deltas[0]
    found = {
        "handshakes a second": (ranks - 1) / (dog.hellos[-1] - dog.hellos[0]),
        "all have reported after s": dog.hellos[-1] - dog.started_s,
        "start-up s": span_s,
        "events": float(verdict.events),
        "deltas": float(len(late)),
        "messages a second": dog.messages_to_verdict / span_s,
        "head CPU s a second of the start-up": (dog.cpu["verdict"] - dog.cpu["first delta"]) / (dog.ended_s - dog.deltas[0]),
        "latency of a delta s, median": late[len(late) // 2],
        "latency of a delta s, 99 %": late[int(len(late) * 0.99)],
        "latency of a delta s, most": late[-1],
        "looks": float(len(dog.looks)),
        "one look s, mean": sum(dog.looks) / max(1, len(dog.looks)),
        "one look s, most": max(dog.looks, default=0.0),
        "decision with its reasons s": dog.judged[-1],
        "times decided": float(len(dog.judged)),
    }
    if not clean:
        found["waits in the knot"] = float(len(verdict.knot))
        found["last block to proof s"] = dog.proved_after_s or 0.0
        found["last block to verdict s"] = verdict.last_block_to_verdict_s or 0.0
    return found | {
        "verdict to end s": ended_s - dog.ended_s,
        "head CPU s in all": time.process_time() - cpu,
        "head memory MiB, most": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure() -> dict[str, float]:
    """The figures of the small sizes."""
    return {f"{ranks} simulated ranks, {name}": value for ranks in SIZES for name, value in measure_one(ranks).items()}


def main() -> None:
    """One size, from the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("ranks", type=int)
    parser.add_argument("step_s", type=float, nargs="?", default=0.1)
    parser.add_argument("--clean", action="store_true")
    parser.add_argument("--wide", action="store_true")
    for name, value in measure_one(**vars(parser.parse_args())).items():
        print(f"{name}: {value:.4g}")


if __name__ == "__main__":
    main()
