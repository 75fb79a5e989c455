"""Bisection of hangs by rate, over simulated launches: how often it is right, how many launches; and `git bisect run`."""

from __future__ import annotations

import random
import sys
import tempfile
from pathlib import Path

from lockstep.harness.bisect.statistics.search import Options
from tests.bisect.simulated import Simulation, git_bisect_run, line
from tests.bisect.toy import CLEAN, Toy, linear

COMMITS = 256
RATES = (1.0, 0.9, 0.5, 0.3, 0.1)
REPEAT = 10  # launches of each end; and of each commit, for the second form of git bisect


def measure(trials: int = 20) -> dict[str, float]:
    """For each rate: the share of trials that name the right commit, and launches a trial."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        toy = linear(Path(folder, "toy"), COMMITS, lambda number: CLEAN)
        for rate in RATES:
            options = Options(repeat=1 if rate == 1.0 else REPEAT)
            right = launches = 0
            for seed in range(trials):
                culprit = random.Random(seed).randrange(COMMITS)
                simulation = Simulation(line(COMMITS), culprit, rate, random.Random(f"{rate} {seed}"))
                conclusion = simulation.found(options)
                right += conclusion is not None and conclusion.commits == (culprit,)
                launches += simulation.evidence.launches
            found[f"rate {rate}, lockstep bisect --repeat {options.repeat}: right"] = right / trials
            found[f"rate {rate}, lockstep bisect --repeat {options.repeat}: launches"] = launches / trials
            for repeat in (1, REPEAT):
                outcomes = [_git(toy, rate, seed, repeat, Path(folder)) for seed in range(trials)]
                name = f"rate {rate}, git bisect run, {repeat} launch{'es' * (repeat > 1)} a commit"
                found[f"{name}: right"] = sum(named for named, _ in outcomes) / trials
                found[f"{name}: launches"] = sum(used for _, used in outcomes) / trials
    return found


def _git(toy: Toy, rate: float, seed: int, repeat: int, folder: Path) -> tuple[bool, int]:
    culprit = random.Random(seed).randrange(COMMITS) + 1
    return git_bisect_run(toy, culprit, rate, seed, folder / f"coins-{rate}-{seed}-{repeat}", repeat)


if __name__ == "__main__":
    for name, value in measure(*map(int, sys.argv[1:])).items():
        print(f"{name}: {value:.4g}")
