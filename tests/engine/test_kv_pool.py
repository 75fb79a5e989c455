"""The KV pool: how many blocks each unit of capacity gives, and that the memory is really there."""

from __future__ import annotations

from typing import Any

import pytest

from lockstep.engines.minimal.device.kv_pool import KvPool
from lockstep.engines.minimal.model.decoder import shard
from lockstep.engines.minimal.plugin import ENGINE
from lockstep.engines.minimal.spec.blocks import block_bytes
from lockstep.engines.minimal.spec.model import HEAD_DIM, HEADS, LAYERS
from lockstep.harness.scenario.load import load_all
from tests.engine.support import settings

WHOLE = shard(0, 1, 1, False)
BLOCK = block_bytes(4)  # the base scenario has 4 tokens a block; 8 rows of 64 tokens are 128 blocks


def test_bytes_of_a_block() -> None:
    """A block holds keys and values of all layers and heads in float32."""
    assert BLOCK == LAYERS * 2 * 4 * HEADS * HEAD_DIM * 4


@pytest.mark.parametrize(
    ("capacity", "blocks"),
    [
        ({"blocks": 17}, 17),
        ({"bytes": 10 * BLOCK + 1}, 10),
        ({"fraction": 0.5}, 64),
        ({"ballast_bytes": 28 * BLOCK}, 90),  # nine tenths of the hundred that are left
    ],
)
def test_blocks_of_each_unit(capacity: dict[str, Any], blocks: int) -> None:
    """Each unit gives the blocks that it says, with one more as scratch, really allocated."""
    pool = KvPool(settings({"kv_capacity": capacity}), WHOLE)
    assert pool.blocks == blocks
    assert pool.bytes == pool.data.numel() * 4 == (blocks + 1) * BLOCK
    assert (pool.ballast is not None) == ("ballast_bytes" in capacity)
    (case,) = load_all(["tests/engine/base.yaml"], {"parallel": {"tp": 1}, "kv_capacity": capacity})
    assert ENGINE.facts(case.spec)["blocks"].startswith(f"{blocks} on each rank; a block is 4 tokens, {BLOCK} bytes")


def test_max_tokens_limits_the_pool() -> None:
    """`kv_cache_config.max_tokens` is an upper limit, whatever the capacity."""
    changes = {"kv_capacity": {"blocks": 50}, "config.kv_cache_config": {"tokens_per_block": 4, "max_tokens": 40}}
    assert KvPool(settings(changes), WHOLE).blocks == 10


def test_no_room_for_a_block() -> None:
    """A capacity below one block is an error that says so, on that rank."""
    with pytest.raises(MemoryError, match="holds no block"):
        KvPool(settings({"kv_capacity": {"bytes": BLOCK - 1}}), WHOLE)
