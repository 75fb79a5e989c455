"""Shards: the cases of a run dealt to several machines, so that each has about as long to do. Pure.

Every shard deals all of them by itself, with the same result, and takes its own. Nobody talks to anybody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

MOST = 9_999  # shards; each deals the cases of all


@dataclass(frozen=True, slots=True)
class Shard:
    """The `index`-th of `count` shards, from 1."""

    index: int
    count: int

    @staticmethod
    def parse(text: str) -> Shard:
        """From `I/N`. Raises ValueError for anything else."""
        first, slash, second = text.partition("/")
        plain = len(text) <= 2 * len(str(MOST)) + 1 and first.isdecimal() and second.isdecimal()
        if not (slash and plain and 1 <= int(first) <= int(second) <= MOST):
            raise ValueError(f"--shard {text[:40]}: give I/N, with I from 1 to N, N at most {MOST}, for example --shard 2/4")
        return Shard(int(first), int(second))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def deal(costs: Mapping[str, float], count: int) -> list[list[str]]:
    """The ids of each shard, the dearest first. No shard's sum exceeds an equal share by more than the dearest case."""
    shards: list[list[str]] = [[] for _ in range(count)]
    sums = [0.0] * count
    for ident in sorted(costs, key=lambda ident: (-costs[ident], ident)):
        place = min(range(count), key=lambda number: (sums[number], len(shards[number]), number))
        shards[place].append(ident)
        sums[place] += costs[ident]
    return shards


def fingerprint(costs: Mapping[str, float], count: int) -> str:
    """Short hash of a deal. Shards that print the same one have been dealt the same cases in the same way."""
    text = "\n".join("\t".join(sorted(shard)) for shard in deal(costs, count))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
