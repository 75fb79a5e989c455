"""Rates of what happens in some launches only: what is known of one, and what clean launches could have missed. Pure."""

from __future__ import annotations

import math
from statistics import NormalDist

INSIDE = 0.95  # of an interval, where nothing else is said
MISS = 0.05  # how likely what is said to have been seen was missed


def interval(hits: int, launches: int, inside: float = INSIDE) -> tuple[float, float]:
    """Wilson's interval of a rate: 0 <= hits <= launches. (0, 1) when nothing was launched. Raises ValueError otherwise."""
    if not 0 <= hits <= launches or not 0.0 < inside < 1.0:
        raise ValueError(f"{hits} of {launches} is no rate, or {inside} no probability")
    if launches == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1.0 + inside) / 2.0)
    rate, extra = hits / launches, z * z / launches
    middle = rate + extra / 2.0
    reach = z * math.sqrt(rate * (1.0 - rate) / launches + extra / (4.0 * launches))
    low, high = (middle - reach) / (1.0 + extra), (middle + reach) / (1.0 + extra)
    return (0.0 if hits == 0 else max(0.0, low)), (1.0 if hits == launches else min(1.0, high))


def launches_to_see(rate: float, miss: float = MISS) -> int:
    """How many launches miss a hang of this rate with a probability of at most `miss`. Raises ValueError outside (0, 1)."""
    if not 0.0 < rate <= 1.0 or not 0.0 < miss < 1.0:
        raise ValueError(f"rate {rate} and miss {miss} must be probabilities above 0")
    return 1 if rate == 1.0 else max(1, math.ceil(math.log(miss) / math.log1p(-rate) - 1e-9))


def rate_seen(launches: int, miss: float = MISS) -> float:
    """The lowest rate that so many clean launches would have missed with a probability of at most `miss`; 1 for none."""
    return 1.0 if launches == 0 else 1.0 - miss ** (1.0 / launches)


def percent(rate: float) -> str:
    """A rate for people, never rounded to 0 % or 100 % when it is neither."""
    if rate in (0.0, 1.0):
        return f"{rate * 100:.0f} %"
    return f"{rate * 100:.2g} %" if rate < 0.1 else f"{min(rate * 100, 99.9):.3g} %"


def rate_text(hits: int, launches: int) -> str:
    """`3 of 10 (30 %, 95 % interval 11 % to 60 %)`."""
    low, high = interval(hits, launches)
    share = percent(hits / launches) if launches else "no rate"
    return f"{hits} of {launches} ({share}, {percent(INSIDE)} interval {percent(low)} to {percent(high)})"


def missed_text(launches: int) -> str:
    """What so many launches as expected do not exclude."""
    rate = percent(rate_seen(launches))
    return (
        f"{launches} clean launch{'es' * (launches != 1)} would have missed a fault that shows in {rate} of launches "
        f"with a probability of {percent(MISS)}, and rarer ones more likely"
    )
