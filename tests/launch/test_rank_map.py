"""The rank map: ranks are dealt in blocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.launch.rank_map import NodeRanks, RankMap


@given(st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_blocks(counts: list[int]) -> None:
    """Every rank is on the node that lists it, and each node has as many as it was given."""
    rank_map = RankMap(tuple(NodeRanks(f"n{number}", count) for number, count in enumerate(counts)))
    dealt = [number for number, count in enumerate(counts) for _ in range(count)]
    assert [rank_map.node_of(rank) for rank in range(rank_map.ranks)] == dealt
    assert [rank for number in range(len(counts)) for rank in rank_map.ranks_of(number)] == list(range(rank_map.ranks))
    with pytest.raises(IndexError):
        rank_map.node_of(rank_map.ranks)
