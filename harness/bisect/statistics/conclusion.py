"""When to stop, and with what: one commit, a range that skips hide, or that the culprit lies outside. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from lockstep.harness.bisect.statistics.posterior import Floats, Posterior
from lockstep.harness.bisect.statistics.suspects import Numbers, Suspects

Kind: TypeAlias = Literal["commit", "range", "outside", "unfinished"]


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The suspects that are left, and the probability that the culprit is one of them."""

    kind: Kind
    commits: tuple[int, ...]  # none for `outside`
    probability: float


def conclude(suspects: Suspects, belief: Posterior, skipped: Collection[int], confidence: float) -> Conclusion | None:
    """The conclusion, if there is one with this confidence.

    A range is a set of suspects that no commit which can still be launched tells apart.
    """
    best = int(np.argmax(belief.mass))
    if belief.mass[best] >= confidence:
        kind: Kind = "outside" if best == suspects.outside else "commit"
        return Conclusion(kind, () if kind == "outside" else (best,), float(belief.mass[best]))
    if not skipped:
        return None  # every two suspects can be told apart
    groups = alike(suspects, skipped)
    weights = np.bincount(groups, weights=belief.mass)
    group = int(np.argmax(weights))
    if weights[group] < confidence:
        return None
    members = smallest(np.where(groups == group, belief.mass, 0.0), confidence)
    inside = tuple(commit for commit in members if commit != suspects.outside)
    return Conclusion("range", inside, float(belief.mass[list(members)].sum()))


def alike(suspects: Suspects, skipped: Collection[int]) -> Numbers:
    """For each suspect the number of its group: suspects that the commits which can be launched do not tell apart."""
    shut = np.zeros(suspects.count + 1, dtype=bool)
    shut[list(skipped)] = True
    rows = [np.packbits(hangs.T, axis=1) for _, hangs in suspects.blocks(np.flatnonzero(~shut))]
    if not rows:
        return np.zeros(suspects.count + 1, dtype=np.int64)
    _, groups = np.unique(np.concatenate(rows, axis=1), axis=0, return_inverse=True)
    return np.asarray(groups.reshape(-1), dtype=np.int64)


def smallest(mass: Floats, confidence: float) -> tuple[int, ...]:
    """The fewest suspects that together have this weight, by number; those without any are left out."""
    order = np.argsort(-mass, kind="stable")
    order = order[mass[order] > 0.0]
    enough = int(np.searchsorted(np.cumsum(mass[order]), confidence - 1e-12)) + 1
    return tuple(sorted(int(commit) for commit in order[:enough]))
