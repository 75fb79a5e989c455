"""Time from the last rank blocking to a proved verdict, over real hangs of 4 ranks. `... verdict_time [HANGS]`."""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

from tests.watchdog.launch import judge

RANKS = 4


def measure(hangs: int = 100) -> dict[str, float]:
    """Seconds: median, 99th percentile, maximum. Raises RuntimeError if a hang was not proved."""
    times: list[float] = []
    for _ in range(hangs):
        with tempfile.TemporaryDirectory() as folder:
            verdict = judge("deadlock", RANKS, Path(folder))
        if not verdict.proved or verdict.last_block_to_verdict_s is None:
            raise RuntimeError(f"not a proved hang: {verdict.text}")
        times.append(verdict.last_block_to_verdict_s)
    times.sort()
    return {
        "hangs": float(hangs),
        "median s": statistics.median(times),
        "p99 s": times[min(len(times) - 1, int(len(times) * 0.99))],
        "maximum s": times[-1],
    }


if __name__ == "__main__":
    for name, value in measure(*map(int, sys.argv[1:])).items():
        print(f"{name}: {value:.3f}")
