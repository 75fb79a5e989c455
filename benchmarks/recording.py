"""What recording costs: microseconds an event in Python, on a real ring that nobody reads."""

from __future__ import annotations

import os
import statistics
import time

from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.ring import Ring

EVENTS = 20_000
ROUNDS = 9


def measure() -> dict[str, float]:
    """Median over rounds, in microseconds an event."""
    ring = Ring(0, 4)
    recorder = Recorder.attach({**os.environ, layout.RING_FD: str(ring.fd)})
    comm = recorder.comm("mpi", "tp", range(4))
    waits, decisions = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(EVENTS // 2):
            with recorder.collective(comm, "allgather", 4):
                pass
        waits.append((time.perf_counter() - start) / EVENTS)
        start = time.perf_counter()
        for _ in range(EVENTS):
            recorder.decision("capture.request", "bs=32", "run", "free_blocks=96 needed_blocks=32")
        decisions.append((time.perf_counter() - start) / EVENTS)
    return {
        "collective, microseconds an event": statistics.median(waits) * 1e6,
        "decision, microseconds an event": statistics.median(decisions) * 1e6,
    }


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name}: {value:.2f}")
