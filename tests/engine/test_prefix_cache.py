"""Blocks of earlier prompts are reused, by the pool and by the host tier, and never change what is decoded."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lockstep.engines.minimal.comm.data_plane import Hooks
from lockstep.engines.minimal.device.cpu import CpuDevice
from lockstep.engines.minimal.device.kv_pool import KvPool
from lockstep.engines.minimal.model.decoder import Model, shard
from tests.engine.decoding import SHARED, Decoded, all_decoded, decode
from tests.engine.support import LocalPlane, Log, Stuck, alone, context_of, executor_of, settings

REUSE: dict[str, Any] = {
    "parallel": SHARED,
    "config.max_batch_size": 1,
    "config.kv_cache_config": {"tokens_per_block": 4, "enable_block_reuse": True, "host_blocks": 16},
    "workload": {"requests": 5, "prompts": 2, "prompt_tokens": 17, "new_tokens": 3},
    "kv_capacity": {"blocks": 8},
}


def prompts(rank: Decoded) -> list[int]:
    """Tokens of each forward that computes a prompt, or what of it was not found."""
    return [tokens for _, tokens in rank.device.shapes if tokens > 1]


def test_a_known_prompt_is_not_computed_again() -> None:
    """Only what neither the pool nor the host has left is computed, and every rank computes the same."""
    ranks = decode(REUSE)
    all_decoded(ranks)
    first, second = map(prompts, ranks)
    assert first == second
    assert first[:2] == [17, 17]
    assert all(tokens < 17 for tokens in first[2:])
    assert ranks[0].pool.written  # something was loaded back


@pytest.mark.parametrize(
    "change", [{"kv_capacity": {"blocks": [8, 7]}}, {"config.kv_cache_config.host_blocks": [8, 4]}], ids=["pool", "host"]
)
def test_other_memory_is_another_prefix(change: dict[str, Any]) -> None:
    """A rank with less memory finds less; agreed, all reuse what it has, and otherwise forwards differ in size."""
    all_decoded(decode({**REUSE, **change}))
    answers = decode({**REUSE, **change, "guards.prefix": "local"}, stuck_s=1.0)
    assert all("forwards of" in str(answer) for answer in answers)


def test_a_quota_for_all() -> None:
    """With the least host quota on every rank, prefixes agree by themselves."""
    quota = {"config.kv_cache_config.host_blocks": [8, 4], "guards.host_quota": "min", "guards.prefix": "local"}
    all_decoded(decode({**REUSE, **quota}))


def test_a_gated_write_check_parts_the_ranks() -> None:
    """A rank without room on its host does not come to the exchange of write states."""
    short = {"config.kv_cache_config.host_blocks": [16, 3], "guards.prefix": "local"}
    assert {type(answer) for answer in decode({**REUSE, **short, "guards.host_write": "gated"}, 1.0)} == {Stuck}
    ranks = decode({**REUSE, **short, "guards.host_write": "reserve"})
    all_decoded(ranks)
    assert [set(rank.choices("decode.host_write")) for rank in ranks] == [{"write"}, {"left-out"}]


def test_prefetch_calls_depend_on_room() -> None:
    """Until its batch is full: the rank with less room makes fewer calls."""
    changes = {
        **REUSE,
        "config.max_batch_size": 4,
        "config.kv_cache_config.prefetch": True,
        "workload": {"requests": 4, "prompt_tokens": 6, "new_tokens": 2},
        "kv_capacity": {"blocks": [16, 5]},
        "guards.prefix": "local",
    }
    answers = decode({**changes, "guards.prefetch_check": "until-full"}, stuck_s=1.0)
    assert {type(answer) for answer in answers} == {Stuck}
    all_decoded(decode({**changes, "guards.prefetch_check": "until-full", "guards.kv_quota": "min"}))


def on_one_rank(reuse: bool) -> dict[str, list[int]]:
    """Decode with the real model and its real KV pool."""
    kv = {"tokens_per_block": 4, "enable_block_reuse": reuse, "host_blocks": 16}
    mine = settings({**REUSE, "parallel": {"tp": 1}, "config.kv_cache_config": kv, "config.cuda_graph_config": None})
    with torch.no_grad():
        device, log = CpuDevice(LocalPlane(), Log()), Log()
        part = shard(0, 1, 1, False)
        device.model, device.pool = Model(part, 0, 7, device, Hooks()), KvPool(mine, part)
        tokens = executor_of(context_of(mine, alone(), log, device, pool=device.pool)).run()
    assert reuse == any(site == "decode.prefix" and choice != "0 blocks" for site, _, choice, _ in log.decisions)
    return tokens


def test_reused_blocks_hold_what_would_be_computed() -> None:
    """With real keys and values, kept, evicted and loaded back, the tokens are those without reuse."""
    assert on_one_rank(True) == on_one_rank(False)
