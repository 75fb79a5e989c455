"""A context server sends prompts' KV away; when blocks come back differs by rank."""

from __future__ import annotations

from typing import Any

import pytest

from tests.engine.decoding import APART, SHARED, all_decoded, decode
from tests.engine.support import Stuck

CONTEXT: dict[str, Any] = {
    "config.kv_cache_config": {"tokens_per_block": 8},
    "config.max_num_tokens": 32,
    "kv_capacity": {"blocks": 7},
    "workload": {"requests": 2, "prompt_tokens": 24, "context_only": True},
}
LATE = {"kind": "delay", "rank": 1, "phase": "decode", "shape": "transfer request=0", "seconds": 1}


@pytest.mark.parametrize("check", ["always", "any", "gated"])
def test_a_late_transfer_parts_the_ranks_only_behind_a_gate(check: str) -> None:
    """Rank 1 has no room for the next prompt while its transfer lasts, and comes alone to a gated check."""
    answers = decode({**CONTEXT, "parallel": SHARED, "faults": [LATE], "guards.transfer_check": check}, stuck_s=3.0)
    if check != "gated":
        all_decoded(answers)
        return
    assert {type(answer) for answer in answers} == {Stuck}


@pytest.mark.parametrize("parallel", [SHARED, APART])
def test_what_is_sent(parallel: dict[str, Any]) -> None:
    """Each request ends with the token after its prompt."""
    ranks = decode({**CONTEXT, "parallel": parallel})
    all_decoded(ranks)
    assert {len(tokens) for rank in ranks for tokens in rank.tokens.values()} == {1}


@pytest.mark.parametrize("budget", [7, 16, 64])
def test_chunks(budget: int) -> None:
    """A prompt larger than a step is computed over several, to the same tokens."""
    changes = {"parallel": APART, "workload": {"requests": 5, "prompt_tokens": 13, "new_tokens": 4}}
    whole = decode(changes)
    chunked = decode({**changes, "config.enable_chunked_prefill": True, "config.max_num_tokens": budget})
    all_decoded(chunked)
    assert [rank.tokens for rank in chunked] == [rank.tokens for rank in whole]
    assert all(tokens <= budget for rank in chunked for _, tokens in rank.device.shapes)


def test_padding_lets_the_others_go_on() -> None:
    """A rank of which nothing fits runs a dummy; its peers' steps let its transfer be reaped, and it goes on."""
    changes = {**CONTEXT, "parallel": APART, "kv_capacity": {"blocks": [16, 7]}, "workload.requests": 4}
    late = [{**LATE, "shape": "transfer request=1"}]
    ranks = decode({**changes, "faults": late, "guards.empty_batch": "pad"}, stuck_s=4.0)
    all_decoded(ranks)
    assert "pad" in ranks[1].choices("decode.can_queue")
