"""Cases side by side: each has its places, all run, and an end comes in order when one fails."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.channel.bootstrap import Plan
from lockstep.harness.host.gpus import visible
from lockstep.harness.launch.rank_map import NodeRanks, RankMap
from lockstep.harness.placement.capacity import Capacity, Gpus, HostCapacity
from lockstep.harness.placement.pool import Pool, jobs_of
from lockstep.harness.placement.request import PlacementRequest
from tests.placement.test_request import one


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=12), st.integers(1, 6), st.integers(1, 12))
def test_never_more_than_fit(ranks: list[int], most: int, slots: int) -> None:
    """At no moment run more cases, or more ranks, than allowed, but for a case that has more alone; none is left out."""
    pool = Pool(Capacity((HostCapacity("a", slots), HostCapacity("b", 2)), strict_slots=False), most)
    running: Counter[str] = Counter()
    cases: list[int] = []
    lock = threading.Lock()

    def run(number: int, rank_map: RankMap) -> int:
        with lock:
            cases.append(number)
            running.update({node.host: node.ranks for node in rank_map.nodes})
            alone = sum(running.values()) == rank_map.ranks
            assert len(cases) <= most
            assert rank_map.ranks == ranks[number]
            assert alone or (running["a"] <= slots and running["b"] <= 2)
        time.sleep(0.002)
        with lock:
            cases.remove(number)
            running.subtract({node.host: node.ranks for node in rank_map.nodes})
        return number

    requests = [pool.request(one(count)) for count in ranks]
    assert pool.run(range(len(ranks)), requests, run, threading.Event()) == list(range(len(ranks)))


def test_failure_stops_the_others() -> None:
    """When one case fails the others are told to stop, and the failure comes out."""
    stop = threading.Event()

    def run(number: int, rank_map: RankMap) -> None:
        if number == 0:
            raise OSError("disk full")
        assert stop.wait(30)

    with pytest.raises(OSError, match="disk full"):
        Pool.here(2, 1).run([0, 1], [PlacementRequest((1,))] * 2, run, stop)


@pytest.mark.parametrize(("jobs", "most", "at_once"), [("1", 1, 1), ("3", 3, 3), ("auto", 10, 4)])
def test_jobs_on_this_host(jobs: str, most: int, at_once: int) -> None:
    """`--jobs` is a number of cases whatever their ranks, or what sixteen cores hold and two GPUs beside them."""
    pool = Pool.here(jobs_of(jobs), 16, ("0", "1"))
    assert (pool.most, pool.at_once(pool.request(one(2)))) == (most, at_once)
    assert pool.at_once(pool.request(one(1, device="cuda"))) == min(2, most)


@pytest.mark.parametrize("jobs", ["0", "-1", "many", ""])
def test_no_number(jobs: str) -> None:
    """Anything else is refused with advice."""
    with pytest.raises(ValueError, match="or auto"):
        jobs_of(jobs)


def test_visible_devices_of_the_user() -> None:
    """Only the GPUs that the environment leaves to us are handed out, by the names that it has for them."""
    assert visible(8, {"CUDA_VISIBLE_DEVICES": "3, GPU-ab"}) == ("3", "GPU-ab")
    assert visible(2, {}) == ("0", "1")
    assert visible(2, {"CUDA_VISIBLE_DEVICES": ""}) == ()
    assert visible(2, {"CUDA_VISIBLE_DEVICES": "-1"}) == ()
    assert visible(4, {"CUDA_VISIBLE_DEVICES": "2,-1,3"}) == ("2",)


def test_ranks_of_each_host_see_their_gpus_only() -> None:
    """A case that runs beside others tells the ranks of each host which GPUs are theirs; a lone one tells nothing."""
    pool = Pool.on(Capacity((HostCapacity("a", 8, ("0", "1")), HostCapacity("b", 8, ("4", "5")))), 4)
    seen: list[RankMap] = []
    pool.run([0], [PlacementRequest((2, 1), Gpus.EACH)], lambda _, rank_map: seen.append(rank_map), threading.Event())
    assert seen == [RankMap((NodeRanks("a", 2, ("0", "1")), NodeRanks("b", 1, ("4",))))]
    plan = Plan("", "", "", "", (), {}, 3, 1, (2, 1), False, "", "", "", gpus=tuple(node.gpus for node in seen[0].nodes))
    names = [plan.visible(rank)["CUDA_VISIBLE_DEVICES"] for rank in range(3)]
    assert names == ["0,1", "0,1", "4"]
    alone = replace(pool, most=1)
    alone.run([0], [PlacementRequest((2, 1), Gpus.EACH)], lambda _, rank_map: seen.append(rank_map), threading.Event())
    assert [node.gpus for node in seen[1].nodes] == [(), ()]
    assert replace(plan, gpus=((), ())).visible(2) == {}
