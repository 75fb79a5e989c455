"""Which commits to launch next, and how often: those that tell the most about the culprit for their cost. Pure.

The information of `m` launches of a commit, stopped at the first hang, is the mutual information between the suspect and
whether the hang showed. It is divided by the expected number of launches, plus what a build costs where the commit is
not built. For a hang that shows in every launch this is bisection: the commit that halves the weight of the suspects,
on merges too. For a flaky one it repeats a commit as long as that tells more than another commit would.

Commits that cannot be judged (they do not build, or show another hang) come in blocks. A block that is known to span s
commits, with none between them that could be judged, reaches d commits further with probability s/(s+d), as it does if
blocks are as likely to be long as short; the information of a commit there counts the less.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from lockstep.harness.bisect.statistics.posterior import Floats, Posterior
from lockstep.harness.bisect.statistics.suspects import Numbers, Suspects

MOST_LAUNCHES = 8  # of one commit before looking again
TINY = 1e-300  # for logarithms of 0, which are multiplied by 0
NO_BUILDS: Mapping[int, float] = MappingProxyType({})
WORTH = 0.25  # of the best: what one more launch beside it must tell


@dataclass(frozen=True, slots=True)
class Step:
    """Launch this commit until it hangs, at most so often."""

    commit: int
    launches: int


@dataclass(frozen=True, slots=True)
class Gain:
    """What launches of some commits would tell. One row a commit; column m - 1 is for m launches."""

    commits: Numbers
    share: Floats  # the probability that the commit hangs
    bits: Floats  # (commits, MOST_LAUNCHES)
    launches: Floats  # expected, likewise


def gain(suspects: Suspects, belief: Posterior, commits: Numbers, most: int = MOST_LAUNCHES) -> Gain:
    """The information, in bits, and the expected cost, in launches, of launching each of `commits`."""
    columns = [mass := belief.mass]
    for number in range(1, most + 1):
        shown = 1.0 - belief.survival(number)
        columns += [mass * shown, mass * _entropy(shown)]
    weights = np.stack(columns, axis=1)
    sums = np.empty((len(commits), weights.shape[1]))
    for part, hangs in suspects.blocks(commits):
        # Not by BLAS, whose threads get in each other's way where ranks run on all cores.
        sums[part] = np.einsum("vs,sk->vk", hangs.astype(np.float64), weights)
    shown, noise = sums[:, 1::2], sums[:, 2::2]
    before = np.concatenate([np.zeros((len(commits), 1)), shown[:, :-1]], axis=1)
    return Gain(commits, sums[:, 0], np.maximum(_entropy(shown) - noise, 0.0), np.cumsum(1.0 - before, axis=1))


def choose(
    suspects: Suspects,
    belief: Posterior,
    skipped: Collection[int] = (),
    tested: Collection[int] = (),
    build_cost: Mapping[int, float] = NO_BUILDS,
    slots: int = 1,
) -> list[Step]:
    """What to launch next, in up to `slots` steps at once; none when no commit tells anything.

    `skipped`: commits that cannot be judged. `tested`: those that have been. `build_cost`: of commits that are
    not built, in launches.
    """
    shut = np.zeros(suspects.count + 1, dtype=bool)
    shut[list(skipped)] = True
    commits = np.flatnonzero(~shut)
    if not len(commits):
        return []
    found = gain(suspects, belief, commits)
    trust = _trust(suspects, skipped, tested)[commits]
    built = np.array([build_cost.get(int(commit), 0.0) for commit in commits])
    value = trust[:, None] * found.bits / (found.launches + built[:, None])
    value = np.round(value, 12)  # equal ones are equal: the first is taken
    best, launches = np.unravel_index(int(np.argmax(value)), value.shape)
    if value[best, launches] <= 0.0:
        return []
    if slots == 1:
        return [Step(int(commits[best]), int(launches) + 1)]
    return _spread(found, value[:, 0], slots)


def _spread(found: Gain, value: Floats, slots: int) -> list[Step]:
    """For several launches at once: commits that cut the weight into equal parts, then more launches of the best."""
    steps: list[int] = []
    for number in range(1, slots + 1):
        useful = np.flatnonzero(value >= WORTH * value.max())
        useful = useful[~np.isin(useful, steps)]
        if len(useful):
            off = np.round(np.abs(found.share[useful] - number / (slots + 1)) - 1e-9 * value[useful], 12)
            steps.append(int(useful[np.argmin(off)]))
    best = max(steps, key=lambda row: value[row])
    for more in range(1, min(slots - len(steps), MOST_LAUNCHES - 1) + 1):
        if found.bits[best, more] - found.bits[best, more - 1] < WORTH * found.bits[best, 0]:
            break
        steps.append(best)
    return [Step(int(found.commits[row]), 1) for row in steps]


def _trust(suspects: Suspects, skipped: Collection[int], tested: Collection[int]) -> Floats:
    """How likely each commit can be judged."""
    trust = np.ones(suspects.count + 1)
    left = set(skipped)
    while left:
        first = min(left)
        reach = suspects.distances([first], list(tested))
        block = [commit for commit in left if reach[commit] <= suspects.count]
        span = 1 + int(max(reach[block]))
        away = suspects.distances(block, list(tested)).astype(np.float64)
        away[away > suspects.count] = np.inf
        trust = np.minimum(trust, 1.0 - span / (away + span))
        left -= set(block)
    trust[list(tested)] = 1.0
    return trust


def _entropy(chance: Floats) -> Floats:
    """Of a yes or no, in bits."""
    yes = np.clip(chance, 0.0, 1.0)
    no = 1.0 - yes
    found: Floats = -(yes * np.log2(np.maximum(yes, TINY)) + no * np.log2(np.maximum(no, TINY)))
    return found
