"""Clean and slow runs of real ranks: how many snapshots are judged while ranks move, and whether one was taken for a hang.

`python -m benchmarks.false_hangs [RUNS]`. The programs mix collectives on two communicators, computing ranks and ranks
that somebody stops for a moment.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from lockstep.harness.vocabulary import Outcome
from tests.watchdog.launch import watchdog

RANKS = 4
PROGRAMS = ("jitter", "jitter", "jitter", "clean")


def measure(runs: int = 1000) -> Counter[str]:
    """Counts over all runs. Raises RuntimeError on any verdict but success, and on any knot called proved."""
    found: Counter[str] = Counter()
    for number in range(runs):
        with tempfile.TemporaryDirectory() as folder:
            dog = watchdog(PROGRAMS[number % len(PROGRAMS)], RANKS, Path(folder))
            verdict = dog.watch()
        if verdict.outcome is not Outcome.SUCCESS or dog.state.proof.proved:
            raise RuntimeError(
                f"run {number}: {verdict.outcome.value}, {dog.state.proof.proved} knots proved: {verdict.text}"
            )
        found["runs"] += 1
        found["snapshots judged"] += dog.state.proof.judged
        found["snapshots judged while ranks moved"] += dog.state.proof.judged_moving
        found["candidates refuted by the second look"] += dog.state.proof.refuted
        found["false hangs"] += dog.state.proof.proved
    return found


if __name__ == "__main__":
    for name, value in measure(*map(int, sys.argv[1:])).items():
        print(f"{name}: {value}")
