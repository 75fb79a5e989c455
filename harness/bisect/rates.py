"""Rates of a hang: what is known of one, and what clean launches could have missed. Pure."""

from __future__ import annotations

import math

import numpy as np

from harness.bisect.posterior import Posterior

CELLS = 10_000


def launches_to_see(rate: float, miss: float) -> int:
    """How many launches miss a hang of this rate with a probability of at most `miss`. Raises ValueError outside (0, 1)."""
    if not 0.0 < rate <= 1.0 or not 0.0 < miss < 1.0:
        raise ValueError(f"rate {rate} and miss {miss} must be probabilities above 0")
    return 1 if rate == 1.0 else max(1, math.ceil(math.log(miss) / math.log1p(-rate) - 1e-9))


def rate_seen(launches: int, miss: float) -> float:
    """The lowest rate that so many clean launches would have missed with a probability of at most `miss`; 1 for none."""
    return 1.0 if launches == 0 else 1.0 - miss ** (1.0 / launches)


def rate_interval(belief: Posterior, inside: float = 0.95) -> tuple[float, float]:
    """Where the rate lies with this probability, given everything: the middle part of its posterior."""
    grid = (np.arange(CELLS) + 0.5) / CELLS
    keys, places = np.unique(np.stack([belief.hangs, belief.clean]), axis=1, return_inverse=True)
    weights = np.bincount(places.reshape(-1), weights=belief.mass * (1.0 - belief.certain), minlength=keys.shape[1])
    density = np.zeros_like(grid)
    for (hangs, clean), weight in zip(keys.T, weights, strict=True):
        if weight > 0.0:
            logs = (belief.prior.alpha + hangs - 1) * np.log(grid) + (belief.prior.beta + clean - 1) * np.log1p(-grid)
            part = np.exp(logs - logs.max())
            density += weight * part / part.sum()
    below = np.cumsum(density)  # the rest, at rate 1, is what is certain
    tail = (1.0 - inside) / 2.0
    low, high = (int(np.searchsorted(below, at)) for at in (tail, 1.0 - tail))
    return min(low / CELLS, 1.0), min((high + 1) / CELLS, 1.0)
