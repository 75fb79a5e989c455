"""The exchange between data-parallel ranks and experts: chunks and all-reduce give what one exact all-to-all gives."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.engines.minimal.comm.data_plane import Hooks
from lockstep.engines.minimal.model.expert_exchange import ExpertExchange
from lockstep.engines.minimal.model.moe_alltoall import MoeAllToAll
from lockstep.engines.minimal.model.partitioned import Partitioned
from tests.engine.support import ThreadCommunicator, on_groups
from tests.engine.test_mappings import ThreadPlane

pytestmark = pytest.mark.slow  # starts processes, or torch

WIDTH = 3


def exchanged(counts: list[int], chunk: int | None, summed: bool) -> list[torch.Tensor]:
    """What each rank gets back for its rows, where rank r's experts multiply by r + 1."""

    def work(data: ThreadCommunicator) -> torch.Tensor:
        plane, own = ThreadPlane(data), counts[data.rank]
        rows = torch.arange(own * WIDTH, dtype=torch.float32).view(own, WIDTH) + 100 * data.rank
        exchange = ExpertExchange(MoeAllToAll(plane), plane, data.rank, data.size, Hooks(), chunk)
        return exchange.run(rows, counts, lambda tokens: tokens * (data.rank + 1), "layer=0", summed)

    return on_groups(len(counts), ("data",), work)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=3), st.sampled_from([None, 1, 4, 16]), st.booleans())
@settings(deadline=None)
def test_every_way_is_the_same_sum(counts: list[int], chunk: int | None, summed: bool) -> None:
    """Each token comes back as the sum over all experts, whatever the chunk and whatever carries it."""
    factor = sum(range(1, len(counts) + 1))
    for rank, found in enumerate(exchanged(counts, chunk, summed)):
        rows = torch.arange(counts[rank] * WIDTH, dtype=torch.float32).view(-1, WIDTH) + 100 * rank
        assert torch.equal(found, rows * factor)


@pytest.mark.parametrize(("counts", "rounds"), [([1, 1], 1), ([4, 1], 1), ([5, 1], 2), ([1, 9], 3)])
def test_rounds_are_those_of_the_largest_rank(counts: list[int], rounds: int) -> None:
    """All ranks take part in as many rounds as the one with the most tokens needs."""

    def work(data: ThreadCommunicator) -> list[str]:
        plane = ThreadPlane(data)
        places: list[str] = []
        hooks = Hooks(between=places.append)
        exchange = ExpertExchange(MoeAllToAll(plane), plane, data.rank, data.size, hooks, 4)
        exchange.run(torch.ones(counts[data.rank], WIDTH), counts, lambda tokens: tokens, "layer=0", False)
        return places

    expected = ["layer=0", *(f"layer=0 chunk={number}" for number in range(1, rounds))]
    assert on_groups(2, ("data",), work) == [expected, expected]


def test_partitioned_weights_are_whole_when_they_are_read() -> None:
    """Each rank keeps its part, and reading a layer's weight gives all of it on every rank."""
    weights = [torch.randn(8, 6), torch.randn(8, 2, 3)]

    def work(data: ThreadCommunicator) -> list[torch.Tensor]:
        parts = Partitioned("up", weights, ThreadPlane(data), data.rank, data.size)
        return [parts[0], parts[1]]

    for found in on_groups(4, ("data",), work):
        assert all(torch.equal(whole, weight) for whole, weight in zip(found, weights, strict=True))
