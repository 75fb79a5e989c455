"""How likely each suspect is, given the launches so far. Pure.

The model. A commit without the hang never shows the wanted signature. One with it shows it with a rate that is the same
for all of them and not known: 1 with the prior weight `certain`, otherwise from a beta distribution. Each suspect is as
likely as any other at first. For one suspect all launches of commits that hang under it count: with h hangs and c clean
launches among them its likelihood is

    certain * [c = 0] + (1 - certain) * B(alpha + h, beta + c) / B(alpha, beta),

and 0 if a commit that does not hang under it has shown the hang. So one hang settles a commit as bad, and a clean
launch counts by what is known of the rate. Launches that could not be judged, or showed something else, say nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lockstep.harness.bisect.statistics.suspects import Suspects

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prior:
    """What is believed of the hang's rate before any launch."""

    certain: float  # that every launch shows it; above 0 and below 1
    alpha: float = 1.0
    beta: float = 1.0


@dataclass(frozen=True, slots=True)
class Tally:
    """The launches of one commit that count."""

    hangs: int = 0
    clean: int = 0


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is believed after some launches. One entry a suspect; the last is the outside."""

    mass: Floats  # sums to 1
    hangs: Floats  # launches that showed the hang, all of them of commits that hang under this suspect
    clean: Floats  # clean launches of commits that hang under this suspect
    certain: Floats  # that every launch of them shows it
    prior: Prior

    def survival(self, launches: int) -> Floats:
        """For each suspect: the probability that so many launches of a commit that hangs are all clean."""
        if launches == 0:
            return np.ones_like(self.mass)
        flaky = np.ones_like(self.mass)
        for number in range(launches):
            misses = self.prior.beta + self.clean + number
            flaky *= misses / (self.prior.alpha + self.hangs + misses)
        return (1.0 - self.certain) * flaky

    def rate(self) -> float:
        """The expected rate."""
        return float(self.mass @ (1.0 - self.survival(1)))


def posterior(suspects: Suspects, tallies: Mapping[int, Tally], prior: Prior) -> Posterior:
    """The posterior after the launches in `tallies`, by commit number."""
    commits = sorted(tallies)
    rows = suspects.hangs(commits) if commits else np.zeros((0, suspects.count + 1), dtype=bool)
    hung = np.array([tallies[commit].hangs for commit in commits], dtype=np.float64)
    passed = np.array([tallies[commit].clean for commit in commits], dtype=np.float64)
    hangs, clean = hung @ rows, passed @ rows
    possible = hangs == hung.sum()
    flaky = _log_likelihood(hangs, clean, prior) + math.log(1.0 - prior.certain)
    sure = np.where(clean == 0, math.log(prior.certain), -np.inf)
    logs = np.where(possible, np.logaddexp(flaky, sure), -np.inf)
    mass = np.exp(logs - logs.max())
    with np.errstate(invalid="ignore"):
        certain = np.where(possible, np.exp(sure - logs), 0.0)
    return Posterior(mass / mass.sum(), np.where(possible, hangs, 0.0), clean, np.nan_to_num(certain), prior)


def _log_likelihood(hangs: Floats, clean: Floats, prior: Prior) -> Floats:
    """log of B(alpha + h, beta + c) / B(alpha, beta), for each pair; there are few different ones."""
    pairs, places = np.unique(np.stack([hangs, clean]), axis=1, return_inverse=True)
    start = _log_beta(prior.alpha, prior.beta)
    values = [_log_beta(prior.alpha + h, prior.beta + c) - start for h, c in pairs.T]
    return np.array(values)[places.reshape(-1)]


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
