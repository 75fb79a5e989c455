"""What recording costs an engine: the warm-up of one rank with and without it, interleaved in one process."""

from __future__ import annotations

import os
import statistics
import time

from lockstep.engines.minimal.rank import Rank
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.scenario.load import load_all
from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.ring import Ring

ROUNDS = 15
SCENARIO = "scenarios/tensorrt_llm/generation-capture-symmetric.yaml"


def silent(*fields: int) -> None:
    """Instead of `Recorder.write`: no event."""


def measure() -> dict[str, float]:
    """Median seconds of a warm-up with and without events, their ratio, and the events of one warm-up."""
    case = load_all([SCENARIO], {"parallel": {"tp": 1, "attention_dp": True}})[-1]
    ring = Ring(0, 1)
    recorder = Recorder.attach({**os.environ, layout.RING_FD: str(ring.fd)})
    rank = Rank(Settings.from_spec(case.spec, 0, 1), recorder)
    write = recorder.write
    with_events, without = [], []
    _warm_up(rank)
    first = recorder.last
    _warm_up(rank)
    events = recorder.last - first
    for _ in range(ROUNDS):
        recorder.write = silent  # type: ignore[method-assign, assignment]
        without.append(_warm_up(rank))
        recorder.write = write  # type: ignore[method-assign]
        with_events.append(_warm_up(rank))
    return {
        "warm-up with recording s": statistics.median(with_events),
        "warm-up without s": statistics.median(without),
        "ratio": statistics.median(with_events) / statistics.median(without),
        "events of a warm-up": float(events),
    }


def _warm_up(rank: Rank) -> float:
    rank.context.engine.graphs.clear()
    start = time.perf_counter()
    rank.warm_up(rank.context).run()
    return time.perf_counter() - start


if __name__ == "__main__":
    for name, value in measure().items():
        print(f"{name}: {value:.4f}")
