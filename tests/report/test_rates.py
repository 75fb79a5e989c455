"""Rates and their intervals."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.rates import interval, launches_to_see, missed_text, percent, rate_seen, rate_text


@given(st.integers(0, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999))
def test_interval_holds_the_rate(counts: tuple[int, int], inside: float) -> None:
    """The interval lies within [0, 1], holds the observed rate, and is the mirror image for the opposite event."""
    hits, launches = counts
    low, high = interval(hits, launches, inside)
    assert 0.0 <= low <= high <= 1.0
    if launches:
        assert low <= hits / launches <= high
    other = interval(launches - hits, launches, inside)
    assert math.isclose(low, 1.0 - other[1], abs_tol=1e-9)
    assert math.isclose(high, 1.0 - other[0], abs_tol=1e-9)


@given(st.integers(1, 300), st.integers(1, 300))
def test_interval_is_where_the_score_test_does_not_reject(hits: int, misses: int) -> None:
    """Wilson's ends are the rates from which the observed one is 1.96 standard errors away, by their own variance."""
    launches = hits + misses
    for end in interval(hits, launches):
        score = abs(hits / launches - end) / math.sqrt(end * (1 - end) / launches)
        assert math.isclose(score, 1.959964, rel_tol=1e-4)


@pytest.mark.parametrize(("hits", "launches", "inside"), [(-1, 2, 0.9), (3, 2, 0.9), (1, 2, 1.0), (1, 2, 0.0)])
def test_no_interval(hits: int, launches: int, inside: float) -> None:
    """What is no rate is refused."""
    with pytest.raises(ValueError, match="is no rate"):
        interval(hits, launches, inside)


@given(st.floats(0.001, 0.999), st.floats(0.001, 0.5))
def test_launches_to_see(rate: float, miss: float) -> None:
    """So many launches miss the rate with at most that probability, one fewer with more; `rate_seen` is the inverse."""
    count = launches_to_see(rate, miss)
    assert (1 - rate) ** count <= miss * (1 + 1e-6)
    assert count == 1 or (1 - rate) ** (count - 1) > miss * (1 - 1e-6)
    assert rate_seen(count, miss) <= rate * (1 + 1e-6)


def test_words() -> None:
    """A rate of ten launches, what ten clean ones could have missed, and percentages that are never rounded to certainty."""
    assert rate_text(3, 10) == "3 of 10 (30 %, 95 % interval 10.8 % to 60.3 %)"
    assert rate_text(0, 0) == "0 of 0 (no rate, 95 % interval 0 % to 100 %)"
    assert missed_text(10).startswith("10 clean launches would have missed a fault that shows in 25.9 % of launches")
    assert [percent(rate) for rate in (0.0, 1e-5, 0.05, 0.99999, 1.0)] == ["0 %", "0.001 %", "5 %", "99.9 %", "100 %"]
    assert rate_seen(0) == 1.0
    with pytest.raises(ValueError, match="must be probabilities"):
        launches_to_see(0.0)
