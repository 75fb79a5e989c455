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
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

from lockstep.harness.channel.messages import FromSupervisor
from lockstep.harness.channel.to_watchdog import Delta, Hello
from lockstep.harness.channel.watchdog_end import Head
from lockstep.harness.judge.guarded import Guarded
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.probe import usable_cores
from lockstep.harness.vocabulary import Outcome
from lockstep.harness.watchdog.listener import Silent
from lockstep.harness.watchdog.proof import Proof
from lockstep.harness.watchdog.ranks.rank_table import RankTable
from lockstep.harness.watchdog.run_loop import RunLoop
from lockstep.harness.watchdog.session import CaseSession
from lockstep.harness.watchdog.targets import EngineTarget
from tests.watchdog.launch import case
from tests.watchdog.simulated_supervisors import Simulation

P = ParamSpec("P")
T = TypeVar("T")
PROCESSES = min(16, max(2, usable_cores() - 2))  # that simulate; a core is the watchdog's
SIZES = (100, 1000)
LIMITS = {"deadline_s": 600.0, "livelock_s": 300.0, "launch_s": 300.0, "teardown_s": 60.0}


class Measured(CaseSession):
    """A session that notes what it does, and when."""

    def __init__(self, ranks: int, folder: Path, options: list[str]) -> None:
        target = EngineTarget(case("simulated", ranks, **LIMITS), [])
        super().__init__(target, Simulation(PROCESSES, options), folder, listener=Proofs(self))
        self.hellos: list[float] = []
        self.latencies: list[float] = []  # from the last event of a delta to its being folded in
        self.deltas: list[float] = []  # when
        self.looks: list[float] = []
        self.messages = 0
        self.proved_after_s: float | None = None
        self.judged: list[float] = []
        self.cpu: dict[str, float] = {}
        self._take, state = self.state.intake.take, self.state
        state.intake.take = self._taken  # type: ignore[method-assign]
        Proof.look = timed(Proof.look, self.looks)  # type: ignore[method-assign]
        state.judgement.verdict = timed(state.judgement.verdict, self.judged)  # type: ignore[method-assign]

    def _with_evidence(self, judged: Verdict, end: Head, loop: RunLoop, guarded: Guarded) -> Verdict:
        self.ended_s, self.cpu["verdict"] = time.monotonic(), time.process_time()
        self.messages_to_verdict = self.messages
        return super()._with_evidence(judged, end, loop, guarded)

    def _taken(self, end: Head, number: int, message: FromSupervisor) -> None:
        self._take(end, number, message)
        now = time.monotonic()
        self.messages += 1
        if isinstance(message, Hello):
            self.hellos.append(now)
        elif isinstance(message, Delta):
            if not self.deltas:
                self.cpu["first delta"] = time.process_time()
            self.deltas.append(now)
            self.latencies.append(now - self.state.ranks[number].state.last_ns / 1e9)


class Proofs(Silent):
    """Notes when a knot is first proved."""

    def __init__(self, session: Measured) -> None:
        self._session = session

    def tick(self, ranks: RankTable) -> None:
        """To within a round of listening."""
        proof = self._session.state.proof
        if proof.first_proved_s is not None and self._session.proved_after_s is None:
            last = max(stuck.wait.since_ns for stuck in proof.knot)
            self._session.proved_after_s = proof.first_proved_s - last / 1e9


def timed(function: Callable[P, T], took: list[float]) -> Callable[P, T]:
    """The same, with the seconds of each call."""

    def call(*arguments: P.args, **named: P.kwargs) -> T:
        began = time.perf_counter()
        try:
            return function(*arguments, **named)
        finally:
            took.append(time.perf_counter() - began)

    return call


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
        "all have reported after s": dog.hellos[-1] - dog.state.judgement.started_s,
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
