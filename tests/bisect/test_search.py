"""The search over simulated launches: how many it needs, whether it is right as often as it says, what it refuses."""

from __future__ import annotations

import math
import random
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.bisect.errors import BisectionError, NotJudged
from lockstep.harness.bisect.statistics.evidence import Evidence
from lockstep.harness.bisect.statistics.judgement import Judgement
from lockstep.harness.bisect.statistics.search import CERTAIN, FLAKY, Options
from lockstep.harness.bisect.statistics.suspects import Find
from tests.bisect.simulated import Simulation, contains, git_bisect_run, line
from tests.bisect.test_posterior import histories
from tests.bisect.toy import CLEAN, linear

pytestmark = pytest.mark.timeout(300)  # a loaded machine counts slowly


def simulation(culprit: int | None, rate: float, seed: int, count: int = 64, **more: object) -> Simulation:
    """A line of commits."""
    return Simulation(line(count), culprit, rate, random.Random(seed), **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("culprit", [0, 1, 100, 127, 128, 200, 254, 255])
@pytest.mark.parametrize("find", ["bad", "fixed"])
def test_deterministic_hang_takes_log2_launches(culprit: int, find: Find) -> None:
    """Of 256 commits the culprit is found in at most 10 launches, both ends included, wherever it is."""
    found = (simulated := simulation(culprit, 1.0, 0, 256, find=find)).found(Options())
    assert found is not None
    assert (found.kind, found.commits) == ("commit", (culprit,))
    assert simulated.evidence.launches <= 10


@pytest.mark.parametrize("jobs", [2, 3, 7])
def test_several_at_once_cut_into_equal_parts(jobs: int) -> None:
    """With N launches at once, 256 commits take about log(256) / log(N + 1) rounds after the ends."""
    for culprit in range(3, 256, 25):
        found = (simulated := simulation(culprit, 1.0, 0, 256)).found(Options(jobs=jobs))
        assert found is not None
        assert found.commits == (culprit,)
        assert len(simulated.rounds) <= 2 + math.ceil(math.log(256) / math.log(jobs + 1)) + 2
        assert all(len(steps) <= jobs for steps in simulated.rounds)


def test_flaky_hang_is_found_as_often_as_stated() -> None:
    """A hang of rate 0.3: the right commit in at least 19 of 20 seeded trials."""
    right = 0
    for seed in range(20):
        culprit = random.Random(1000 + seed).randrange(64)
        found = simulation(culprit, 0.3, seed).found(Options(repeat=10))
        right += found is not None and found.commits == (culprit,)
    assert right >= 19


def test_plain_git_bisect_is_wrong_on_a_flaky_hang(tmp_path: Path) -> None:
    """On trials of rate 0.3 on which the search is right, `git bisect run` with one launch a commit names another commit."""
    toy = linear(tmp_path / "toy", 64, lambda number: CLEAN)
    right = plain = 0
    for seed in range(6):
        culprit = random.Random(1000 + seed).randrange(64)
        found = simulation(culprit, 0.3, seed).found(Options(repeat=10))
        right += found is not None and found.commits == (culprit,)
        named, launches = git_bisect_run(toy, culprit + 1, 0.3, seed, tmp_path / str(seed))
        plain += named
        assert launches <= 7
    assert right >= 5
    assert plain <= 2


@pytest.mark.parametrize("repeat", [1, 4])
def test_stated_confidence_holds(repeat: int) -> None:
    """Over truths drawn from the prior, at least the stated share of the conclusions is right, up to sampling error."""
    prior, confidence, coin = CERTAIN if repeat == 1 else FLAKY, 0.9, random.Random(repeat)
    right = told = 0
    for seed in range(120):
        rate = 1.0 if coin.random() < prior.certain else max(0.05, coin.random())
        culprit = coin.randrange(24)
        found = simulation(culprit, rate, seed, 24).found(Options(confidence, repeat, most=400))
        if found is not None and found.kind == "commit":
            told += 1
            right += found.commits == (culprit,)
    assert told >= 100
    assert right / told >= confidence - 3 * math.sqrt(confidence * (1 - confidence) / told)


@given(histories(20), st.data())
@settings(max_examples=40, deadline=None)
def test_merges(parents: list[list[int]], data: st.DataObject) -> None:
    """In any history with merges the culprit is found, in about as many launches as halving takes."""
    culprit = data.draw(st.integers(0, len(parents) - 1))
    find: Find = data.draw(st.sampled_from(("bad", "fixed")))
    simulated = Simulation(parents, culprit, 1.0, random.Random(0), find)
    found = simulated.found(Options())
    assert found is not None
    assert found.commits == (culprit,)


@given(st.integers(2, 60), st.data())
@settings(max_examples=40, deadline=None)
def test_skips_leave_a_range(count: int, data: st.DataObject) -> None:
    """With commits that cannot be judged the result is the smallest range that holds the culprit, or the culprit itself."""
    culprit = data.draw(st.integers(0, count - 1))
    shut = data.draw(st.frozensets(st.integers(0, count - 2)))
    simulated = simulation(culprit, 1.0, 0, count, shut=shut)
    found = simulated.found(Options())
    assert found is not None
    before = max((commit for commit in range(culprit) if commit not in shut), default=-1)
    after = min(commit for commit in range(culprit, count) if commit not in shut)
    whole = tuple(range(before + 1, after + 1))
    if len(whole) < 20:
        assert found.commits == whole
    else:  # fewer than all of so many are certain enough
        assert set(found.commits) <= set(whole)
        assert len(found.commits) >= 0.95 * len(whole)
    assert found.kind == ("commit" if len(found.commits) == 1 else "range")


def test_a_block_of_skips_is_left_soon() -> None:
    """When the middle third cannot be judged, few launches are spent on it."""
    shut = frozenset(range(80, 176))
    simulated = simulation(30, 1.0, 0, 256, shut=shut)
    found = simulated.found(Options())
    assert found is not None
    assert found.commits == (30,)
    assert len(simulated.evidence.skipped) <= 6


def test_skips_between_merged_branches() -> None:
    """Where one branch cannot be judged, the range is that branch and the merge, and not the other branch."""
    parents = [[], [0], [1], [2], [1], [4], [3, 5]]  # 0-1, then 2-3 and 4-5, merged by 6
    simulated = Simulation(parents, 4, 1.0, random.Random(0), shut=frozenset({4, 5}))
    found = simulated.found(Options())
    assert found is not None
    assert (found.kind, found.commits) == ("range", (4, 5, 6))
    assert contains(parents, 6) >= set(found.commits)


def unbuilt(simulated: Simulation, cost: float) -> dict[int, float]:
    """What a build costs, of every commit that was not launched yet."""
    return {commit: cost for commit in range(65) if commit not in simulated.evidence.tallies}


def test_build_cost_is_weighed_against_launches() -> None:
    """Where a build costs 100 launches, a flaky hang is looked for by more launches of fewer commits."""
    used: list[int] = []
    for cost in (0.0, 100.0):
        simulated = simulation(40, 0.4, 3)
        search = simulated.search(Options(repeat=6))
        search.build_cost = partial(unbuilt, simulated, cost)
        assert search.run().commits == (40,)
        used.append(len(simulated.evidence.tallies))
    assert used[1] < used[0]


def test_launches_are_limited() -> None:
    """After so many launches the search ends, with what is left; with more allowed it goes on from there."""
    simulated = simulation(40, 1.0, 0)
    search = simulated.search(Options(most=4))
    found = search.run()
    assert (found.kind, simulated.evidence.launches) == ("unfinished", 4)
    assert 40 in found.commits
    search.options = Options()
    assert search.run().commits == (40,)
    assert simulated.evidence.launches <= 9


def test_ends_are_checked_first() -> None:
    """A bad end that is clean, a good end that hangs, and ends that cannot be judged are refused, with few launches."""
    with pytest.raises(BisectionError, match="the bad end is good: one launch"):
        simulation(5, 0.0, 0).search(Options()).run()
    with pytest.raises(BisectionError, match="the bad end is good: none of 29 launches"):
        simulation(5, 0.0, 0).search(Options(repeat=2)).run()
    hanging = simulation(None, 1.0, 0)
    with pytest.raises(BisectionError, match="the good end is bad"):
        hanging.search(Options()).run()
    assert hanging.evidence.launches == 2
    with pytest.raises(BisectionError, match="something else"):
        simulation(5, 1.0, 0, shut=frozenset({63})).search(Options()).run()
    evidence = Evidence()
    evidence.add(63, Judgement.INVALID, "no supervisor")
    with pytest.raises(NotJudged, match="could not be judged: no supervisor"):
        simulation(5, 1.0, 0, evidence=evidence).search(Options()).run()


def test_a_good_end_that_hangs_at_times_is_found_out() -> None:
    """Where every commit hangs with rate 0.5, no commit is named as the first."""
    for seed in range(20):
        found = simulation(None, 0.5, seed).found(Options(repeat=5))
        assert found is None or found.kind == "outside"


@pytest.mark.parametrize(("key", "value"), [("confidence", 1.0), ("confidence", 0.2), ("repeat", 0), ("most", 1)])
def test_options_are_checked(key: str, value: float) -> None:
    """Values that make no sense are refused by name."""
    with pytest.raises(ValueError, match=f"--{key}"):
        Options(**{key: value})  # type: ignore[arg-type]
