"""Clean and slow runs of real ranks: how many snapshots are judged while ranks move, and whether one was taken for a hang.

`python -m benchmarks.false_hangs [RUNS]`. The programs mix collectives on two communicators, computing ranks and ranks
that somebody stops for a moment. `--snapshots N`: so many snapshots, taken as fast as they go, of ranks that never stand for
long; after each run a real deadlock, which must be found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from lockstep.harness.vocabulary import Outcome
from lockstep.harness.watchdog.listener import Silent
from lockstep.harness.watchdog.ranks.rank_table import RankTable
from lockstep.harness.watchdog.session import CaseSession
from tests.watchdog.launch import watchdog

RANKS = 4
PROGRAMS = ("jitter", "jitter", "jitter", "clean")
PATIENCE = {"deadline_s": 1800.0, "livelock_s": 900.0, "launch_s": 300.0}


class Always(Silent):
    """Has the watchdog look at every turn, whether anything is known to have moved or not."""

    def __init__(self, dog: CaseSession) -> None:
        self._dog = dog

    def tick(self, ranks: RankTable) -> None:
        """Before it judges."""
        self._dog.state.intake.dirty = True


def measure(runs: int = 1000) -> Counter[str]:
    """Counts over all runs. Raises RuntimeError on any verdict but success, and on any knot called proved."""
    found: Counter[str] = Counter()
    for number in range(runs):
        found += _clean(PROGRAMS[number % len(PROGRAMS)], always=False)
    return found


def snapshots(wanted: int) -> tuple[Counter[str], list[float]]:
    """The same until so many snapshots were judged; how soon deadlocks between the runs were proved, in s."""
    found: Counter[str] = Counter()
    after_s: list[float] = []
    while found["snapshots judged"] < wanted:
        found += _clean("moving", always=True)
        after_s.append(_deadlock())
        print(f"{time.strftime('%H:%M:%S')} {dict(found)} {after_s[-1]:.2f} s", file=sys.stderr, flush=True)
    return found, after_s


def _clean(program: str, always: bool) -> Counter[str]:
    with tempfile.TemporaryDirectory() as folder:
        dog = watchdog(program, RANKS, Path(folder), **(PATIENCE if always else {}))
        dog.listener = Always(dog) if always else dog.listener
        verdict = dog.watch()
    proof = dog.state.proof
    if verdict.outcome is not Outcome.SUCCESS or proof.proved:
        raise RuntimeError(f"{program}: {verdict.outcome.value}, {proof.proved} knots proved: {verdict.text}")
    return Counter(
        {
            "runs": 1,
            "snapshots judged": proof.judged,
            "snapshots judged while ranks moved": proof.judged_moving,
            "candidates refuted by the second look": proof.refuted,
            "false hangs": proof.proved,
        }
    )


def _deadlock() -> float:
    with tempfile.TemporaryDirectory() as folder:
        verdict = watchdog("deadlock", RANKS, Path(folder), **PATIENCE).watch()
    if not verdict.proved or verdict.last_block_to_verdict_s is None:
        raise RuntimeError(f"a real deadlock: {verdict.outcome.value}: {verdict.text}")
    return verdict.last_block_to_verdict_s


def main() -> None:
    """Print the counts."""
    parser = argparse.ArgumentParser(prog="benchmarks.false_hangs")
    parser.add_argument("runs", nargs="?", type=int, default=1000)
    parser.add_argument("--snapshots", type=int)
    arguments = parser.parse_args()
    if arguments.snapshots is None:
        found = measure(arguments.runs)
    else:
        found, after_s = snapshots(arguments.snapshots)
        ordered = sorted(after_s)
        print(f"deadlocks proved: {len(ordered)}, median {ordered[len(ordered) // 2]:.2f} s, at most {ordered[-1]:.2f} s")
    for name in ("runs", *sorted(found.keys() - {"runs"}), *([] if found["false hangs"] else ["false hangs"])):
        print(f"{name}: {found[name]}")


if __name__ == "__main__":
    main()
