"""Ranks that are not where they were sent are noticed, whatever their hosts are called."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.launch.rank_map import NodeRanks, RankMap
from lockstep.harness.watchdog.presence.placement_check import misplaced

MAPS = st.lists(st.integers(1, 3), min_size=1, max_size=4)
PLACES = st.sampled_from([("a", "1"), ("a", "2"), ("b", "3"), ("c", "4")])


def mapped(counts: list[int]) -> RankMap:
    """Nodes with so many ranks."""
    return RankMap(tuple(NodeRanks(f"node{number}", count) for number, count in enumerate(counts)))


@given(MAPS, st.data())
def test_places_fit_exactly_when_nodes_and_hosts_are_one_to_one(counts: list[int], data: st.DataObject) -> None:
    """Two ranks share a host exactly when they share a node; that two hosts have one name changes nothing."""
    rank_map = mapped(counts)
    ranks = range(rank_map.ranks)
    places = {rank: data.draw(PLACES) for rank in ranks if data.draw(st.booleans())}
    fits = all(
        (rank_map.node_of(one) == rank_map.node_of(other)) == (places[one] == places[other])
        for one in places
        for other in places
    )
    assert (misplaced(rank_map, places) is None) == fits


def test_what_is_said() -> None:
    """Which ranks, where they belong, and where they are."""
    rank_map = mapped([2, 1])
    apart = {0: ("x", "1"), 1: ("y", "2"), 2: ("z", "3")}
    assert misplaced(rank_map, apart) == "ranks 0 and 1 belong on one host (node0), and the launcher started them on x and y"
    together = {0: ("x", "1"), 1: ("x", "1"), 2: ("x", "1")}
    assert misplaced(rank_map, together) == "ranks 0 and 2 belong on different hosts (node0 and node1), and both run on x"
    assert misplaced(RankMap(rank_map.nodes, local=True), together) is None
