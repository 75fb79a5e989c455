"""Waits that go round in a circle: each lacks somebody who is in the next of them, so that none of them came first. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from lockstep.harness.judge.graph import Stuck


def in_circles(waits: Sequence[Stuck]) -> list[Stuck]:
    """Those of the waits that are on a circle, or on a way from one to another.

    Waits in one collective share the list of whom they lack, which is looked at once: linear in ranks, not in their pairs.
    """
    lists = {id(stuck.lacks): stuck.lacks for stuck in waits}
    ways_of: dict[int, set[int]] = defaultdict(set)  # rank -> the lists that it waits with
    for stuck in waits:
        ways_of[stuck.rank].add(id(stuck.lacks))
    left = {key: {way for rank in lacks for way in ways_of.get(rank, ())} for key, lacks in lists.items()}
    while True:
        reached = set().union(*left.values())
        kept = {key: ways & left.keys() for key, ways in left.items() if key in reached}
        kept = {key: ways for key, ways in kept.items() if ways}
        if len(kept) == len(left):
            return [stuck for stuck in waits if id(stuck.lacks) in left]
        left = {key: ways & kept.keys() for key, ways in kept.items()}
