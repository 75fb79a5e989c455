"""Simulated launches: a coin for each launch of a commit that hangs. Only where the statistics matter, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lockstep.harness.bisect.errors import BisectionError
from lockstep.harness.bisect.statistics.choice import Step
from lockstep.harness.bisect.statistics.conclusion import Conclusion
from lockstep.harness.bisect.statistics.evidence import Evidence
from lockstep.harness.bisect.statistics.judgement import Judgement
from lockstep.harness.bisect.statistics.search import Options, Search
from lockstep.harness.bisect.statistics.suspects import Find, Suspects
from tests.bisect.toy import Toy


def line(count: int) -> list[list[int]]:
    """The parents of a history without merges."""
    return [[number - 1] if number else [] for number in range(count)]


def contains(parents: Sequence[Sequence[int]], commit: int) -> set[int]:
    """A commit and its ancestors, by walking; number len(parents) is the older end, which has none of them."""
    if commit == len(parents):
        return set()
    found, edge = {commit}, [commit]
    while edge:
        for parent in parents[edge.pop()]:
            if parent not in found:
                found.add(parent)
                edge.append(parent)
    return found


@dataclass(slots=True)
class Simulation:
    """A history with a culprit, and a coin. `culprit` None: every commit hangs."""

    parents: Sequence[Sequence[int]]
    culprit: int | None
    rate: float
    coin: random.Random
    find: Find = "bad"
    shut: frozenset[int] = frozenset()  # commits that cannot be judged
    evidence: Evidence = field(default_factory=Evidence)
    rounds: list[list[Step]] = field(default_factory=list)

    def launch(self, steps: Sequence[Step]) -> None:
        """Run steps as the real launches do."""
        self.rounds.append(list(steps))
        for step in steps:
            for _ in range(step.launches):
                if step.commit in self.shut:
                    self.evidence.add(step.commit, Judgement.OTHER, "simulated")
                    break
                hung = self.hangs(step.commit) and self.coin.random() < self.rate
                self.evidence.add(step.commit, Judgement.BAD if hung else Judgement.GOOD, "simulated")
                if hung:
                    break

    def hangs(self, commit: int) -> bool:
        """Whether a commit has the hang."""
        if self.culprit is None:
            return True
        return (self.culprit in contains(self.parents, commit)) == (self.find == "bad")

    def search(self, options: Options) -> Search:
        """A search over this history."""
        return Search(Suspects(self.parents, self.find), self.evidence, options, self.launch)

    def found(self, options: Options) -> Conclusion | None:
        """The conclusion; None when an end was refused."""
        try:
            return self.search(options).run()
        except BisectionError:
            return None


# What `git bisect run` runs: the next coins of a file decide, for a commit that hangs. It stands in for a launch.
COIN = """#!/bin/sh
test "$(cat VERSION)" -ge "$CULPRIT" && hangs=1 || hangs=0
for launch in $(seq "$REPEAT"); do
  read number < "$COINS/number"
  echo $((number + 1)) > "$COINS/number"
  test "$hangs" = 1 && test "$(sed -n "${number}p" "$COINS/coins")" = 1 && exit 1
done
exit 0
"""
MOST_COINS = 4000


def git_bisect_run(toy: Toy, culprit: int, rate: float, seed: int, folder: Path, repeat: int = 1) -> tuple[bool, int]:
    """Whether plain `git bisect run` names the culprit of a line of commits, and how many launches that took.

    `repeat`: launches of each commit, all of which must be clean.
    """
    coin = random.Random(seed)
    folder.mkdir()
    (folder / "coins").write_text("".join(f"{int(coin.random() < rate)}\n" for _ in range(MOST_COINS)))
    (folder / "number").write_text("1\n")
    (folder / "coin").write_text(COIN)
    (folder / "coin").chmod(0o755)
    env = {"COINS": str(folder), "CULPRIT": str(culprit), "REPEAT": str(repeat)}
    toy.git("bisect", "start", toy.commits[-1], toy.commits[0])
    said = toy.git("bisect", "run", str(folder / "coin"), env=env)
    toy.git("bisect", "reset")
    return f"{toy.commits[culprit]} is the first bad commit" in said, int((folder / "number").read_text()) - 1
