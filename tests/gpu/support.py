"""A CUDA device in the test's own process: one rank alone, over NCCL."""

from __future__ import annotations

import random

import torch
import torch.distributed as dist

from lockstep.engines.minimal.base.protocols import Step
from lockstep.engines.minimal.comm.breadcrumbs import Breadcrumbs
from lockstep.engines.minimal.comm.data_plane import DataPlane, Hooks
from lockstep.engines.minimal.comm.meeting import Meeting
from lockstep.engines.minimal.comm.nccl import NcclGroup
from lockstep.engines.minimal.device.cuda import CudaDevice
from lockstep.engines.minimal.device.gpu_memory import GpuMemory
from lockstep.engines.minimal.device.kv_pool import KvPool
from lockstep.engines.minimal.model.decoder import Model, shard
from lockstep.harness.trace import Recorder, layout
from tests.engine.support import Log, alone, settings

SETTINGS = settings()


def nccl(recorder: Recorder, breadcrumbs: bool = True) -> NcclGroup:
    """NCCL with one member. Ends the group that an earlier test made."""
    if dist.is_initialized():
        dist.destroy_process_group()
    torch.cuda.set_device(0)
    return NcclGroup(Meeting(recorder, "ep", alone(), [0], Hooks()), Breadcrumbs(recorder, breadcrumbs), 0)


def device(plane: DataPlane, recorder: Recorder | None = None, attention_dp: bool = True) -> CudaDevice:
    """A device with model and KV pool of the base scenario."""
    torch.set_grad_enabled(False)
    found = CudaDevice(plane, recorder or Log(), GpuMemory(8 << 30, 1))
    found.model = Model(shard(0, 1, 1, attention_dp), 3, 7, plane, Hooks(), device="cuda")
    found.pool = KvPool(SETTINGS, found.model.part, found.memory)
    return found


def recorder_on(capacity: int = 4096) -> Recorder:
    """A recorder on memory that a device can map."""
    import mmap

    memory = mmap.mmap(-1, layout.ring_bytes(capacity))
    return Recorder(memory, capacity)


def step(chance: random.Random, size: int, sampling: str, tokens: int = 1, width: int = 16) -> Step:
    """A random generation step: `size` rows of `tokens` tokens, each row in a block of its own, `width` blocks in reach."""
    starts = [chance.randrange(5 - tokens) for _ in range(size)]
    places = [(row, start + offset) for row, start in enumerate(starts) for offset in range(tokens)]
    return Step(
        tokens=tuple(chance.randrange(128) for _ in places),
        positions=tuple(position for _, position in places),
        slots=tuple(row * 4 + position for row, position in places),
        tables=tuple((row,) + (64,) * (width - 1) for row, _ in places),
        counts=(len(places),),
        sampling=sampling,
    )
