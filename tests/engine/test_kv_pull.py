"""A replica reads KV blocks of its neighbour, from an agent that knows only what is registered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lockstep.engines.minimal.serving.kv_agent import KvAgent, TransferError, fetch
from tests.engine.decoding import APART, all_decoded, decode


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_an_agent_serves_what_is_registered(host: str) -> None:
    """Descriptors within give their content, one beyond an error, and the agent goes on."""
    if host == "::1" and not Path("/proc/self/net/if_inet6").is_file():
        pytest.skip("this kernel has no IPv6")
    memory = ["a", "b", "c"]
    agent = KvAgent(3, lambda descriptor: memory[descriptor], host)
    try:
        assert fetch(agent.region, [2, 0]) == ["c", "a"]
        with pytest.raises(TransferError, match="out of range"):
            fetch(agent.region, [1, 3])
        assert fetch(agent.region, [1]) == ["b"]
    finally:
        agent.close()


PULLED: dict[str, Any] = {
    "parallel": APART,
    "kv_capacity": {"blocks": [30, 24]},
    "workload": {"requests": 4, "prompt_tokens": 9, "new_tokens": 4, "pulled": [0, 2]},
}


@pytest.mark.parametrize("blocks", ["each", "first"])
def test_pulled_requests_are_decoded(blocks: str) -> None:
    """Blocks come over, and every request gets its tokens; a pool of one part has no other number for a block."""
    ranks = decode({**PULLED, "guards.remote_blocks": blocks})
    all_decoded(ranks)
    assert ranks[0].pool.written
    assert not ranks[1].pool.written
