"""KV blocks and KV itself between ranks that share requests: one rank's ids for all, one quota, KV of an earlier stage."""

from __future__ import annotations

from typing import Any

from tests.engine.decoding import SHARED, all_decoded, decode
from tests.engine.support import Stuck

SHORT: dict[str, Any] = {
    "parallel": SHARED,
    "config.kv_cache_config": {"tokens_per_block": 8},
    "kv_capacity": {"blocks": [16, 8]},
    "workload": {"requests": 4, "prompt_tokens": 6, "new_tokens": 14},
}


def test_ids_of_the_first_rank() -> None:
    """The second rank uses what the first hands out, also ids that its own pool does not have."""
    ranks = decode({**SHORT, "guards.block_ids": "first-rank"})
    all_decoded(ranks)
    assert {rank.manager.free_blocks for rank in ranks} == {16, 8}


def test_the_least_quota() -> None:
    """With each its own quota batches differ in size; with the least they are the same."""
    assert all("forwards of" in str(answer) for answer in decode(SHORT, stuck_s=1.0))
    all_decoded(decode({**SHORT, "guards.kv_quota": "min"}))


RECEIVED: dict[str, Any] = {
    "parallel": SHARED,
    "config.kv_cache_config": {"tokens_per_block": 4},
    "workload": {"requests": 2, "prompt_tokens": 6, "new_tokens": 4, "received": [0, 1], "receive_timeout_s": 0.3},
}
LATE = [{"kind": "delay", "rank": 1, "phase": "decode", "shape": "kv request=1", "seconds": 1}]


def test_kv_of_an_earlier_stage() -> None:
    """Prompts are computed once, by that stage; then there are only steps of one token a request."""
    ranks = decode(RECEIVED)
    all_decoded(ranks)
    assert [tokens for _, tokens in ranks[0].device.shapes] == [6, 6, 2, 2, 2]
    assert ranks[0].pool.written == ranks[1].pool.written != []


def test_a_late_receive() -> None:
    """All encode again when one must; alone, the rank that got nothing in time enters a forward that nobody joins."""
    ranks = decode({**RECEIVED, "faults": LATE})
    all_decoded(ranks)
    assert [rank.choices("decode.kv_receive") for rank in ranks] == [["received", "received"], ["received", "time out"]]
    answers = decode({**RECEIVED, "faults": LATE, "guards.kv_receive": "own"}, stuck_s=1.0)
    assert all(isinstance(answer, (Stuck, RuntimeError)) for answer in answers)
