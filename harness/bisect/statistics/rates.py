"""The rate of a hang, by what is believed of it after the launches of a bisection. Pure."""

from __future__ import annotations

import numpy as np

from lockstep.harness.bisect.statistics.posterior import Posterior

CELLS = 10_000


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
