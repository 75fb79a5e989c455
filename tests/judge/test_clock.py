"""Clocks of several hosts: what is claimed of them against simulated clocks that drift, over links of any delay."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.clock import BUCKET_NS, DRIFT, OURS, Clock, Time, first

S = 1_000_000_000
SLACK_NS = 2  # of rounding


@dataclass(frozen=True)
class Truth:
    """Another host's clock as it is: ahead by `offset_ns` at our time zero, and drifting at a rate that changes once."""

    offset_ns: int
    rates: tuple[float, float]
    turn_ns: int

    def theirs(self, ours_ns: int) -> int:
        """What it reads at our time."""
        before, after = min(ours_ns, self.turn_ns), max(0, ours_ns - self.turn_ns)
        return ours_ns + self.offset_ns + round(before * self.rates[0] + after * self.rates[1])


RATES = st.floats(-DRIFT * 0.9, DRIFT * 0.9)
TRUTHS = st.builds(Truth, st.integers(-(10**6) * S, 10**6 * S), st.tuples(RATES, RATES), st.integers(0, 600 * S))
DELAYS = st.one_of(st.integers(1_000, 200_000), st.integers(0, 5 * S))
EXCHANGES = st.lists(st.tuples(st.integers(0, 3 * S), DELAYS, DELAYS), min_size=1, max_size=60)
MOMENTS = st.integers(0, 900 * S)


def measured(truth: Truth, exchanges: list[tuple[int, int, int]]) -> Clock:
    """What is known of it after exchanges: each so long after the one before, with its delays there and back."""
    clock, now = Clock(), 0
    for pause, there, back in exchanges:
        asked = now + pause
        now = asked + there + back
        clock.exchanged(asked, truth.theirs(asked + there), now)
    return clock


@given(TRUTHS, EXCHANGES, MOMENTS)
def test_the_true_offset_lies_within_what_is_stated(
    truth: Truth, exchanges: list[tuple[int, int, int]], moment: int
) -> None:
    """Whatever the delays and their asymmetry, at any time of the case, also long before or after the exchanges."""
    clock = measured(truth, exchanges)
    theirs = truth.theirs(moment)
    low, high = clock.ahead(theirs)
    assert low - SLACK_NS <= theirs - moment <= high + SLACK_NS
    assert abs(clock.ours(theirs) - moment) <= clock.within_ns(theirs) + SLACK_NS


@given(TRUTHS, st.integers(1_000, 10**6), st.integers(1_000, 10**6))
def test_one_exchange_is_known_to_half_its_round_trip(truth: Truth, there: int, back: int) -> None:
    """What is not known is the way, and nothing else."""
    clock = measured(truth, [(0, there, back)])
    assert math.isclose(clock.within_ns(truth.theirs(there)), (there + back) / 2, abs_tol=SLACK_NS)


@given(TRUTHS, TRUTHS, EXCHANGES, st.lists(MOMENTS, min_size=3, max_size=3))
def test_first_is_never_claimed_wrongly(
    one: Truth, other: Truth, exchanges: list[tuple[int, int, int]], moments: list[int]
) -> None:
    """The true first is always among those that may be, and what is said to be before something was."""
    clocks = [measured(one, exchanges), measured(other, exchanges)]
    told = [
        Time(one.theirs(moments[0]), clocks[0]),
        Time(other.theirs(moments[1]), clocks[1]),
        Time(moments[2], OURS),
    ]
    found = first(dict(enumerate(told)))
    assert (
        min(moments) in [moments[number] for number in found]
        or min(abs(moments[number] - min(moments)) for number in found) <= 2 * SLACK_NS
    )
    for a, time in enumerate(told):
        for b, other_time in enumerate(told):
            if time.before(other_time):
                assert moments[a] <= moments[b] + SLACK_NS


@given(st.lists(st.integers(0, 5), min_size=1, max_size=6))
def test_on_one_clock_the_first_is_certain(times: list[int]) -> None:
    """Times of one host need no measure; of equal ones the lowest number counts."""
    clock = Clock()  # never measured
    assert first({number: Time(ns, clock) for number, ns in enumerate(times)}) == [times.index(min(times))]


def test_nothing_is_known_of_a_clock_that_was_never_measured() -> None:
    """Of two moments on hosts whose clocks were never compared none is before the other."""
    one, other = Time(0, Clock()), Time(10**15, Clock())
    assert not one.before(other)
    assert not other.before(one)
    assert first({0: one, 1: other}) == [0, 1]
    assert math.isinf(one.within_ns)


@given(st.floats(0.01, 0.1), st.integers(-(10**5) * S, 10**5 * S), st.integers(20, 60))
def test_a_clock_that_is_slewed_fast_is_noticed(rate: float, offset_ns: int, seconds: int) -> None:
    """Where exchanges show a drift beyond what is assumed, more is taken to be unknown: the truth stays within it."""
    truth = Truth(offset_ns, (rate, rate), 0)
    clock = measured(truth, [(S, 50_000, 50_000)] * seconds)
    moment = seconds * S // 2
    theirs = truth.theirs(moment)
    low, high = clock.ahead(theirs)
    assert low - SLACK_NS <= theirs - moment <= high + SLACK_NS


def test_exchanges_are_kept_one_a_second() -> None:
    """A case of hours keeps few exchanges."""
    clock = measured(Truth(5, (0.0, 0.0), 0), [(S // 100, 1000, 1000)] * 1000)
    assert len(clock._exchanges) <= 12


def test_the_last_exchange_says_what_their_clock_reads_now() -> None:
    """And not an earlier one, from which it may have drifted; with one alone it is that, with none our own time."""
    clock = Clock()
    assert clock.theirs(7 * S) == 7 * S
    clock.exchanged(S, 101 * S, S)
    assert clock.theirs(7 * S) == 107 * S
    clock.exchanged(20 * S, 119 * S, 20 * S)
    assert clock.theirs(27 * S) == 126 * S


@pytest.mark.parametrize("gained_s", [1, -1])
def test_a_clock_that_is_slewed(gained_s: int) -> None:
    """One that gains or loses a second in ten is taken to do so throughout, and its true time lies within."""
    clock = Clock()
    clock.exchanged(0, 0, 0)
    theirs = (10 + gained_s) * S
    clock.exchanged(10 * S, theirs, 10 * S)
    assert clock.drift == pytest.approx(2 * S / theirs)
    low, high = clock.ahead(theirs // 2)
    assert low <= gained_s * S // 2 <= high
    calm = Clock()
    calm.exchanged(0, 0, 0)
    calm.exchanged(10 * S, 10 * S + S // 1000, 10 * S)
    assert calm.drift == DRIFT


def test_of_one_time_the_quickest_exchange_is_kept() -> None:
    """Whatever came before or after it in the same while: how little is known of a slow one costs nothing."""
    clock = Clock()
    clock.exchanged(0, 5, 10)  # long ago
    then = 500 * BUCKET_NS
    for number, way in enumerate((S, 10_000, S)):
        theirs = then + number * 1000
        clock.exchanged(theirs - way, theirs, theirs + way)
    assert clock.within_ns(then + 1000) < 100_000


def test_what_is_known_fades_as_fast_as_clocks_may_drift() -> None:
    """And not faster: a second after an exchange that took no time, by a second's drift."""
    clock = Clock()
    clock.exchanged(10 * S, 10 * S, 10 * S)
    for theirs in (9 * S, 11 * S):
        low, high = clock.ahead(theirs)
        assert low == pytest.approx(-DRIFT * S)
        assert high == pytest.approx(DRIFT * S)
