"""Real CUDA graphs: a replay on other inputs gives what an eager forward gives, and the graphs share their memory."""

from __future__ import annotations

import random

import pytest
import torch

from tests.engine.support import LocalPlane
from tests.gpu.support import device, step

SIZES = (1, 2, 4, 8, 16, 32)


@pytest.mark.parametrize("sampling", ["greedy", "advanced"])
@pytest.mark.parametrize("tokens", [1, 4])
@pytest.mark.parametrize("attention_dp", [True, False])
def test_replay_equals_eager(attention_dp: bool, tokens: int, sampling: str) -> None:
    """For every batch size, captured largest first over one pool: tokens, drafts and KV of an eager forward."""
    chance = random.Random(tokens)
    gpu = device(LocalPlane(), attention_dp=attention_dp)
    graphs = {}
    for size in reversed(SIZES):
        for _ in range(2):
            gpu.eager(step(chance, size, sampling, tokens))
        graphs[size] = gpu.capture(step(chance, size, sampling, tokens), f"rows={size}")
    for size, graph in graphs.items():
        for _ in range(3):
            fresh = step(chance, size, sampling, tokens)
            before = gpu.pool.data.clone()
            replayed = graph.replay(fresh)
            after = gpu.pool.data.clone()
            gpu.pool.data.copy_(before)
            assert gpu.eager(fresh) == replayed
            assert torch.equal(gpu.pool.data, after)


def pool_bytes(sizes: tuple[int, ...]) -> list[int]:
    """What the shared pool holds after each capture, in this order of batch sizes."""
    chance = random.Random(1)
    gpu = device(LocalPlane())
    kept = []  # a pool without graphs is gone
    for size in sizes:
        first = step(chance, size, "greedy", 4, width=256)  # activations well above the allocator's segments
        gpu.eager(first)
        kept.append(gpu.capture(first, f"rows={size}"))
    return [int(capture["pool_bytes"]) for capture in gpu.captures]


def test_smaller_graphs_reuse_the_pool() -> None:
    """Largest first, the pool hardly grows after the first graph; smallest first each one adds to it, and it ends larger."""
    descending, ascending = pool_bytes(SIZES[::-1]), pool_bytes(SIZES)
    assert descending[-1] - descending[0] < descending[0] / 10
    assert ascending[-1] > 2 * ascending[0]
    assert descending[-1] < ascending[-1]
