"""Posterior, information and stop rule, against sums over all suspects and all rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.bisect.statistics.choice import MOST_LAUNCHES, choose, gain
from lockstep.harness.bisect.statistics.conclusion import alike, conclude, smallest
from lockstep.harness.bisect.statistics.posterior import Posterior, Prior, Tally, posterior
from lockstep.harness.bisect.statistics.rates import rate_interval
from lockstep.harness.bisect.statistics.suspects import Find, Suspects
from lockstep.harness.rates import launches_to_see, rate_seen
from tests.bisect.simulated import contains, line

NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)  # exact for the polynomials here
RATES = [*((NODES + 1) / 2), 1.0]


@st.composite
def histories(draw: st.DrawFn, most: int = 8) -> list[list[int]]:
    """Parents of a history with merges and one newest commit."""
    count = draw(st.integers(1, most))
    parents = [sorted(draw(st.sets(st.integers(0, number - 1), max_size=2))) if number else [] for number in range(count)]
    heads = set(range(count - 1)) - {parent for above in parents for parent in above}
    parents[-1] = sorted({*parents[-1], *heads})
    return parents


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[list[int]], Find, dict[int, Tally], Prior]:
    """A history, and launches of some of its commits."""
    parents = draw(histories())
    tallies = draw(
        st.dictionaries(st.integers(0, len(parents)), st.builds(Tally, st.integers(0, 3), st.integers(0, 4)), max_size=5)
    )
    find: Find = draw(st.sampled_from(("bad", "fixed")))
    return parents, find, tallies, Prior(draw(st.floats(0.01, 0.99)))


def joint(parents: Sequence[Sequence[int]], find: Find, tallies: dict[int, Tally], prior: Prior) -> np.ndarray:
    """The oracle: probability of suspect (row; the last is the outside) and rate (column), by enumeration."""
    rates = [*((1 - prior.certain) * WEIGHTS / 2), prior.certain]
    found = np.zeros((len(parents) + 1, len(rates)))
    for suspect in range(len(parents) + 1):
        for column, (rate, weight) in enumerate(zip(RATES, rates, strict=True)):
            chance = weight
            for commit, tally in tallies.items():
                show = rate if bad(parents, find, suspect, commit) else 0.0
                chance *= show**tally.hangs * (1 - show) ** tally.clean
            found[suspect, column] = chance
    total: np.ndarray = found / found.sum()
    return total


def bad(parents: Sequence[Sequence[int]], find: Find, suspect: int, commit: int) -> bool:
    """Whether a commit hangs when this suspect is the culprit, from the definition."""
    if suspect == len(parents):
        return True
    return (suspect in contains(parents, commit)) == (find == "bad")


@given(cases())
@settings(max_examples=60, deadline=None)
def test_posterior_is_the_enumerated_one(case: tuple[list[list[int]], Find, dict[int, Tally], Prior]) -> None:
    """Every suspect has the probability that a sum over all rates gives it; so has a run of clean launches."""
    parents, find, tallies, prior = case
    oracle = joint(parents, find, tallies, prior)
    found = posterior(Suspects(parents, find), tallies, prior)
    assert found.mass == pytest.approx(oracle.sum(axis=1), abs=1e-9)
    for launches in (1, 2, 5):
        missed = oracle @ (1 - np.array(RATES)) ** launches
        assert found.mass * found.survival(launches) == pytest.approx(missed, abs=1e-9)
    assert found.rate() == pytest.approx(float((oracle @ np.array(RATES)).sum()), abs=1e-9)


@given(cases())
@settings(max_examples=30, deadline=None)
def test_information_is_the_enumerated_one(case: tuple[list[list[int]], Find, dict[int, Tally], Prior]) -> None:
    """Bits and expected launches are those of the joint distribution of suspect and outcome."""
    parents, find, tallies, prior = case
    oracle, rates = joint(parents, find, tallies, prior), np.array(RATES)
    suspects = Suspects(parents, find)
    found = gain(suspects, posterior(suspects, tallies, prior), np.arange(suspects.count + 1))
    mass = oracle.sum(axis=1)
    for commit in range(len(parents) + 1):
        hang = np.array([bad(parents, find, suspect, commit) for suspect in range(len(parents) + 1)])
        clean = np.where(hang[:, None], 1 - rates, 1.0)
        expected = 0.0
        for launches in range(1, MOST_LAUNCHES + 1):
            expected += float((oracle * clean ** (launches - 1)).sum())
            silent = (oracle * clean**launches).sum(axis=1)
            both = np.stack([silent, mass - silent])
            apart = both.sum(axis=1, keepdims=True) * mass
            with np.errstate(divide="ignore", invalid="ignore"):
                bits = np.nansum(np.where(both > 1e-15, both * np.log2(both / apart), 0.0))
            assert found.bits[commit, launches - 1] == pytest.approx(bits, abs=1e-6)
            assert found.launches[commit, launches - 1] == pytest.approx(expected, abs=1e-6)


@given(cases())
@settings(max_examples=60, deadline=None)
def test_one_hang_settles_a_commit(case: tuple[list[list[int]], Find, dict[int, Tally], Prior]) -> None:
    """After one hang only suspects are left under which that commit hangs, however many launches were clean."""
    parents, find, tallies, prior = case
    found = posterior(Suspects(parents, find), tallies, prior)
    for suspect in np.flatnonzero(found.mass):
        assert all(bad(parents, find, int(suspect), commit) for commit, tally in tallies.items() if tally.hangs)


@given(histories())
@settings(max_examples=60, deadline=None)
def test_suspects_are_ancestors(parents: list[list[int]]) -> None:
    """What hangs under whom is what walking the parents says, for both directions, the outside included."""
    for find in ("bad", "fixed"):
        suspects = Suspects(parents, "bad" if find == "bad" else "fixed")
        rows = suspects.hangs(list(range(len(parents) + 1)))
        for commit in range(len(parents) + 1):
            for suspect in range(len(parents) + 1):
                assert rows[commit, suspect] == bad(parents, suspects.find, suspect, commit)
        assert rows[suspects.bad].all()
        assert rows[suspects.good].tolist() == [False] * suspects.count + [True]


@given(histories(12), st.data())
@settings(max_examples=60, deadline=None)
def test_groups_are_those_that_no_launch_tells_apart(parents: list[list[int]], data: st.DataObject) -> None:
    """Two suspects share a group exactly when every commit that can be launched treats them alike."""
    suspects = Suspects(parents)
    skipped = data.draw(st.sets(st.integers(0, len(parents))))
    groups = alike(suspects, skipped)
    rows = suspects.hangs([commit for commit in range(len(parents) + 1) if commit not in skipped])
    for one in range(len(parents) + 1):
        for other in range(len(parents) + 1):
            assert (groups[one] == groups[other]) == (rows[:, one] == rows[:, other]).all()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8).filter(lambda found: sum(found) > 0.1), st.floats(0.5, 0.999))
@settings(max_examples=60, deadline=None)
def test_smallest_set(weights: list[float], confidence: float) -> None:
    """No smaller set of suspects has the weight."""
    mass = np.array(weights) / sum(weights)
    found = smallest(mass, confidence)
    assert mass[list(found)].sum() >= confidence - 1e-9
    assert np.sort(mass)[::-1][: len(found) - 1].sum() < confidence + 1e-9


def test_stops_at_the_confidence() -> None:
    """One commit with the confidence ends the search; with a little more asked, it goes on."""
    suspects = Suspects(line(2))
    belief = Posterior(np.array([0.03, 0.96, 0.01]), np.zeros(3), np.zeros(3), np.zeros(3), Prior(0.5))
    found = conclude(suspects, belief, (), 0.96)
    assert found is not None
    assert (found.kind, found.commits) == ("commit", (1,))
    assert found.probability == pytest.approx(0.96)
    assert conclude(suspects, belief, (), 0.961) is None


@given(st.integers(0, 300))
@settings(max_examples=30, deadline=None)
def test_choice_halves_a_line(clean_at: int) -> None:
    """For a hang that shows always, the next commit is the middle of what is left."""
    suspects = Suspects(line(301))
    tallies = {suspects.bad: Tally(1, 0), suspects.good: Tally(0, 1), clean_at: Tally(0, 1)}
    if clean_at == suspects.bad:
        return
    belief = posterior(suspects, tallies, Prior(1 - 1e-9))
    (step,) = choose(suspects, belief)
    assert abs((step.commit - clean_at) - (300 - clean_at) / 2) <= 1
    assert step.launches == 1


def test_clean_launches_needed() -> None:
    """Launches and rates agree: so many miss the rate by at most 5 %, one fewer does not."""
    assert [launches_to_see(rate, 0.05) for rate in (1.0, 0.95, 0.9, 0.5, 0.3, 0.1)] == [1, 1, 2, 5, 9, 29]
    for rate in (0.05, 0.2, 0.3, 0.7, 0.99):
        needed = launches_to_see(rate, 0.05)
        assert (1 - rate) ** needed <= 0.05 < (1 - rate) ** (needed - 1)
        assert rate_seen(needed, 0.05) <= rate < rate_seen(needed - 1, 0.05) or needed == 1
    with pytest.raises(ValueError, match="probabilities"):
        launches_to_see(0.0, 0.05)


@given(st.integers(0, 12), st.integers(0, 12), st.floats(0.01, 0.9))
@settings(max_examples=25, deadline=None)
def test_interval_of_the_rate(hangs: int, clean: int, certain: float) -> None:
    """Between the ends of the interval lies 95 % of the rate, counted on another grid."""
    suspects = Suspects(line(1))
    tallies = {suspects.bad: Tally(hangs, clean), suspects.good: Tally(0, 50)}
    belief = posterior(suspects, tallies, Prior(certain))
    low, high = rate_interval(belief)
    grid = (np.arange(4_000) + 0.5) / 4_000
    density = np.zeros_like(grid)
    for suspect in range(2):
        h, c = belief.hangs[suspect], belief.clean[suspect]
        part = np.exp(h * np.log(grid) + c * np.log1p(-grid) - (h + c) * math.log(2))
        density += belief.mass[suspect] * (1 - belief.certain[suspect]) * part / part.sum()
    inside = density[(grid >= low) & (grid <= high)].sum() + (belief.mass @ belief.certain) * (high == 1.0)
    assert inside >= 0.95 - 0.005
    assert density[grid < low].sum() <= 0.025 + 0.005
