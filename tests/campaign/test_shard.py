"""Shards and the costs that they are dealt by: every case in exactly one, the same for every shard, about equally long."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.campaign.cost import costs, guess
from lockstep.harness.campaign.shard import Shard, deal, fingerprint
from lockstep.harness.scenario.case import Case, Expectation
from tests.watchdog.launch import case

COSTS = st.dictionaries(st.text(max_size=6), st.floats(0, 1e4), max_size=60)


@given(COSTS, st.integers(1, 12))
def test_every_case_is_in_exactly_one_shard(seconds: dict[str, float], count: int) -> None:
    """The shards together are the cases, each once; there are as many shards as asked for."""
    shards = deal(seconds, count)
    assert len(shards) == count
    assert sorted(ident for shard in shards for ident in shard) == sorted(seconds)


@given(COSTS, st.integers(1, 12), st.randoms())
def test_every_shard_deals_the_same(seconds: dict[str, float], count: int, order: random.Random) -> None:
    """The deal does not depend on the order in which a machine comes upon the cases, and neither does its fingerprint."""
    idents = list(seconds)
    order.shuffle(idents)
    shuffled = {ident: seconds[ident] for ident in idents}
    assert deal(shuffled, count) == deal(seconds, count)
    assert fingerprint(shuffled, count) == fingerprint(seconds, count)


@given(COSTS, st.integers(1, 12))
def test_shards_are_about_equally_long(seconds: dict[str, float], count: int) -> None:
    """No shard has more than an equal share and the dearest case; none is empty while another has two."""
    shards = deal(seconds, count)
    sums = [sum(seconds[ident] for ident in shard) for shard in shards]
    assert max(sums) <= sum(seconds.values()) / count + max(seconds.values(), default=0) + 1e-6
    if seconds and min(seconds.values()) > 0:
        assert min(map(len, shards)) >= 1 or max(map(len, shards)) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "/", "a/b", "1/0", "-1/2", "1/2/3", "1/ 2"])
def test_no_shard(text: str) -> None:
    """What is no shard is refused with an example."""
    with pytest.raises(ValueError, match="for example --shard 2/4"):
        Shard.parse(text)


def test_shard() -> None:
    """A shard is written as it is read."""
    assert str(Shard.parse("2/4")) == "2/4"
    assert Shard.parse("4/4") == Shard(4, 4)


def cases() -> list[Case]:
    """Cases of 1, 2, ... ranks."""
    return [replace(case("clean", ranks), id=f"{ranks}") for ranks in (1, 2, 4, 8)]


def test_recorded_seconds_count() -> None:
    """A case costs what it took; one without a record what is guessed, in the scale of the others."""
    every = cases()
    found = costs(every, {"1": 3 * guess(every[0]), "2": 3 * guess(every[1]), "gone": 1.0})
    assert found["1"] == 3 * guess(every[0])
    assert found["8"] == pytest.approx(3 * guess(every[3]))
    assert costs(every, {}) == {one.id: guess(one) for one in every}


def test_guess() -> None:
    """More ranks, more launches, delays and limits that are waited for make a case dearer."""
    one = cases()[1]
    assert guess(cases()[3]) > guess(one)
    assert guess(replace(one, launches=2)) == 2 * guess(one)
    late = replace(one, spec={"faults": [{"kind": "delay", "seconds": 7.0}]})
    assert guess(late) == guess(one) + 7.0
    assert guess(replace(one, expect=Expectation("slow"))) == guess(one) + one.limits.deadline_s
    assert guess(replace(one, expect=Expectation("hang", cause="stall"))) == guess(one) + one.limits.deadline_s
    assert guess(replace(one, expect=Expectation("hang", cause="livelock"))) == guess(one) + one.limits.livelock_s
