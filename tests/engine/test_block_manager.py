"""The block manager's accounting, against a model that is a plain set."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.engines.minimal.base.block_manager import BlockManager


@given(st.integers(1, 40), st.integers(1, 8), st.lists(st.tuples(st.booleans(), st.integers(0, 60)), max_size=40))
def test_blocks_are_never_shared_nor_lost(blocks: int, per_block: int, actions: list[tuple[bool, int]]) -> None:
    """Whatever is allocated and freed, each block has one owner and every refusal is right."""
    manager = BlockManager(blocks, per_block)
    held: list[list[int]] = []
    for allocate, number in actions:
        if allocate:
            needed = max(1, (number + per_block - 1) // per_block)
            got = manager.allocate(number)
            assert (got is None) == (needed > blocks - sum(map(len, held)))
            if got is not None:
                assert len(got) == needed
                held.append(got)
        elif held:
            manager.free(held.pop(number % len(held)))
        owned = [block for group in held for block in group]
        assert len(set(owned)) == len(owned)
        assert manager.free_blocks == blocks - len(owned)
        assert manager.free_tokens == manager.free_blocks * per_block


def test_giving_back_twice_is_refused() -> None:
    """A block that is free already cannot be given back."""
    manager = BlockManager(4, 2)
    blocks = manager.allocate(3) or []
    manager.free(blocks)
    with pytest.raises(ValueError, match="twice"):
        manager.free(blocks)


@given(st.integers(1, 20), st.integers(0, 25))
def test_take_all_but(blocks: int, leave: int) -> None:
    """Exhaustion leaves what it should, or what there is."""
    manager = BlockManager(blocks, 1)
    manager.take_all_but(leave)
    assert manager.free_blocks == min(blocks, leave)
