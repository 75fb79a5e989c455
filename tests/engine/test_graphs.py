"""Graphs on the CPU device: a replay on other inputs gives what an eager forward gives, for every batch size."""

from __future__ import annotations

import random

import pytest
import torch

from lockstep.engines.minimal.base.protocols import Step
from lockstep.engines.minimal.comm.data_plane import Hooks
from lockstep.engines.minimal.device.cpu import CpuDevice
from lockstep.engines.minimal.device.kv_pool import KvPool
from lockstep.engines.minimal.model.decoder import Model, shard
from lockstep.engines.minimal.spec.model import LAYERS
from tests.engine.support import LocalPlane, Log, settings

pytestmark = pytest.mark.slow  # starts processes, or torch

SETTINGS = settings()
torch.set_num_threads(1)


def step(chance: random.Random, size: int, sampling: str) -> Step:
    """A random generation step: each row one token at its own place in its own block."""
    positions = [chance.randrange(4) for _ in range(size)]
    return Step(
        tokens=tuple(chance.randrange(128) for _ in range(size)),
        positions=tuple(positions),
        slots=tuple(row * 4 + position for row, position in enumerate(positions)),
        tables=tuple((row,) + (64,) * 15 for row in range(size)),
        counts=(size,),
        sampling=sampling,
    )


@pytest.mark.parametrize("sampling", ["greedy", "advanced"])
@pytest.mark.parametrize("attention_dp", [False, True])
@pytest.mark.parametrize("size", [1, 2, 4, 8, 32])
def test_replay_equals_eager(size: int, attention_dp: bool, sampling: str) -> None:
    """What was captured with one input gives, replayed with another, tokens, drafts and KV of an eager forward."""
    plane = LocalPlane()
    with torch.no_grad():
        device = CpuDevice(plane, Log())
        device.model = Model(shard(0, 1, 1, attention_dp), 3, 7, device, Hooks())
        pool = device.pool = KvPool(SETTINGS, shard(0, 1, 1, False))
        chance = random.Random(size)
        graph = device.capture(step(chance, size, sampling), "any")
        for _ in range(3):
            fresh = step(chance, size, sampling)
            before = pool.data.clone()
            plane.issued.clear()
            replayed = graph.replay(fresh)
            collectives, after = list(plane.issued), pool.data.clone()
            pool.data.copy_(before)
            assert device.eager(fresh) == replayed
            assert torch.equal(pool.data, after)
            dealt = (
                ("all_to_all dispatch", "all_to_all combine")
                if attention_dp
                else ("all_reduce attention", "all_reduce experts")
            )
            assert collectives == [f"{op} layer={layer}" for layer in range(LAYERS) for op in dealt]


def test_captured_step_is_really_recorded() -> None:
    """A replay does not run the model's Python again."""
    with torch.no_grad():
        device = CpuDevice(LocalPlane(), Log())
        model = device.model = Model(shard(0, 1, 1, False), 0, 7, device, Hooks())
        device.pool = KvPool(SETTINGS, shard(0, 1, 1, False))
        first = step(random.Random(1), 2, "greedy")
        graph = device.capture(first, "any")
        expected = device.eager(first)
        del model.embedding
        assert graph.replay(first) == expected
        with pytest.raises(AttributeError):
            device.eager(first)
