"""The warm-up requests follow upstream's rules for when there is none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockstep.engines.minimal.base.batch import Shape, capture_request, intersection, max_context_tokens, warmup_request
from lockstep.engines.minimal.base.block_manager import BlockManager
from tests.engine.support import settings

BASE = settings()


@given(st.integers(1, 40), st.integers(1, 20), st.integers(0, 3))
def test_capture_needs_a_block_for_each_row(blocks: int, size: int, draft: int) -> None:
    """With fewer free blocks than rows there is no capture request; with enough, it has that many rows."""
    manager = BlockManager(blocks, 4)
    attempt = capture_request(BASE, manager, size, draft)
    if blocks < size:
        assert attempt.batch is None
        assert (attempt.free_blocks, attempt.needed_blocks) == (blocks, size)
    elif attempt.batch is not None:
        assert [len(row.tokens) for row in attempt.batch.rows] == [1 + draft] * size
        longest = attempt.batch.rows[-1]
        assert longest.start + len(longest.tokens) <= BASE.max_seq_len
        attempt.batch.free(manager)
    assert manager.free_blocks == blocks


@given(st.integers(1, 40), st.integers(1, 600), st.integers(0, 12))
def test_request_that_does_not_fit_is_refused_whole(blocks: int, tokens: int, gen: int) -> None:
    """A request has exactly its tokens and rows or does not exist, and says which figure refused it."""
    if tokens < gen:
        return
    manager = BlockManager(blocks, 4)
    attempt = warmup_request(BASE, manager, Shape("any", tokens, gen))
    if attempt.batch is None:
        assert attempt.reason in ("tokens", "batch-size", "blocks")
        assert (attempt.reason == "blocks") <= (attempt.needed_blocks > attempt.free_blocks)
    else:
        assert attempt.batch.num_tokens == tokens
        assert sum(row.generation for row in attempt.batch.rows) == gen
        assert blocks - manager.free_blocks == attempt.needed_blocks
        attempt.batch.free(manager)
    assert manager.free_blocks == blocks


@given(st.integers(1, 400))
def test_largest_context_always_fits(blocks: int) -> None:
    """The largest context is computed from the rank's own capacity, so it always has a request."""
    manager = BlockManager(blocks, 4)
    shape = Shape("max-context", max_context_tokens(BASE, manager), 0)
    attempt = warmup_request(BASE, manager, shape)
    assert attempt.batch is not None


def test_mixed_shape_is_impossible_with_one_request() -> None:
    """With max_batch_size 1 a prompt and a generation row never fit together, on any rank."""
    one = settings({"config.max_batch_size": 1, "config.cuda_graph_config": None})
    attempt = warmup_request(one, BlockManager(64, 4), Shape("mixed", 2, 1))
    assert attempt.batch is None
    assert attempt.reason == "batch-size"


def test_intersection_keeps_rank_0s_order() -> None:
    """Shapes that some rank lacks are dropped; the rest keep the order of rank 0."""
    mine = [Shape("a", 1, 0), Shape("b", 9, 0), Shape("c", 2, 0)]
    assert [s.label for s in intersection(mine, [[(2, 0), (7, 0), (1, 0)], [(1, 0), (9, 0), (2, 0)]])] == ["c", "a"]
