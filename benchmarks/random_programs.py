"""Correct programs drawn at random, run under the watchdog of programs: none may be called a hang.

`python -m benchmarks.random_programs N SEED [EACH]`: each launch runs EACH programs one after the other, and is judged as a
whole. Half of the launches are of mpi4py, half of torch.distributed on gloo.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.vocabulary import Outcome
from tests.attach.launch import python, watchdog

PROGRAMS = 40
SEED = 1
EACH = 20  # programs of a launch
RANKS = 3
DEADLINE_S = 900.0


class Launch(NamedTuple):
    """One launch, and what was said of it."""

    kind: str
    seed: int
    programs: int
    verdict: Verdict
    proved: int


def launches(programs: int, seed: int, each: int) -> Iterator[Launch]:
    """Run them one launch after the other."""
    for number, first in enumerate(range(0, programs, each)):
        count = min(each, programs - first)
        kind = ("mpi", "gloo")[number % 2]
        with tempfile.TemporaryDirectory() as folder:
            argv = python(f"programs/random_{kind}.py", f"{seed}-{number}", str(count))
            dog = watchdog(argv, RANKS, Path(folder), DEADLINE_S)
            verdict = dog.watch()
            yield Launch(kind, number, count, verdict, dog.state.proof.proved)


def measure(programs: int = PROGRAMS, seed: int = SEED, each: int = EACH) -> dict[str, float]:
    """How many programs ran, how many launches were called a hang, and how many did not end in order for another reason."""
    ran = hangs = others = 0
    for launch in launches(programs, seed, each):
        ran += launch.programs
        hang = launch.verdict.outcome is Outcome.HANG or launch.proved > 0
        hangs += hang
        others += not hang and launch.verdict.outcome is not Outcome.SUCCESS
        if hang or launch.verdict.outcome is not Outcome.SUCCESS:
            print(f"{launch.kind} {seed}-{launch.seed}: {launch.verdict.text}", file=sys.stderr, flush=True)
    return {"programs": ran, "hangs": hangs, "other than success": others}


if __name__ == "__main__":
    for name, value in measure(*(int(word) for word in sys.argv[1:4])).items():
        print(f"{name}: {value:.0f}")
