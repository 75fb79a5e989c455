"""A rank's device and data plane on a GPU: which GPU, how much of its memory, which library, and how large a KV pool."""

from __future__ import annotations

import torch
import torch.distributed as dist

from lockstep.engines.minimal.base.own_address import own_host
from lockstep.engines.minimal.base.protocols import Step
from lockstep.engines.minimal.comm.breadcrumbs import Breadcrumbs
from lockstep.engines.minimal.comm.data_plane import DataPlane, Hooks
from lockstep.engines.minimal.comm.groups import Groups
from lockstep.engines.minimal.comm.meeting import Meeting
from lockstep.engines.minimal.comm.mpi import MpiCommunicator
from lockstep.engines.minimal.comm.nccl import NcclGroup
from lockstep.engines.minimal.comm.symmetric import SymmetricMemory
from lockstep.engines.minimal.device.cuda import CudaDevice
from lockstep.engines.minimal.device.gpu_memory import GpuMemory
from lockstep.engines.minimal.device.kv_pool import KvPool, is_measured
from lockstep.engines.minimal.device.placement import Placement, Seat, place
from lockstep.engines.minimal.model.decoder import Model, Shard
from lockstep.engines.minimal.spec.model import EXPERTS, HIDDEN
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


def cuda_device(settings: Settings, recorder: Recorder, groups: Groups, part: Shard, seed: int, hooks: Hooks) -> CudaDevice:
    """The device with its model and its KV pool. All ranks must call it."""
    placement = place(_seats(groups.world), settings.rank, settings.device.plane)
    torch.cuda.set_device(placement.device)
    memory = GpuMemory(settings.device.gpu_memory, placement.sharers)
    crumbs = Breadcrumbs(recorder, settings.device.breadcrumbs)
    recorder.environment({"device": _facts(placement), "memory": memory.figures()})
    meeting = Meeting(recorder, "ep" if settings.parallel.attention_dp else "tp", groups.tp, groups.members, hooks)
    plane: DataPlane
    if placement.plane == "nccl":
        plane = NcclGroup(meeting, crumbs, placement.device)
    else:
        largest = max(settings.max_num_tokens, settings.max_batch_size * (1 + settings.drafts.length))
        plane = SymmetricMemory(meeting, crumbs, largest * (HIDDEN + EXPERTS))
    device = CudaDevice(plane, recorder, memory)
    model = Model(part, settings.drafts.length, seed, plane, hooks, "cuda", settings.moe.dense_layers, settings.moe.chunk)
    device.model = model
    if is_measured(settings):
        _profile(settings, device, part)
    device.pool = KvPool(settings, part, memory)
    recorder.environment({"memory": memory.figures() | {"kv_bytes": device.pool.bytes, "kv_blocks": device.pool.blocks}})
    return device


def _seats(world: MpiCommunicator) -> list[Seat]:
    local_rank, local_size = world.on_this_host()
    count = torch.cuda.device_count()
    used = tuple(torch.cuda.device_memory_used(gpu) for gpu in range(count)) if local_size > count > 1 else ()
    mine = (own_host(), local_rank, local_size, count, used)
    return [Seat(*seat) for seat in world.allgather(mine, "seats")]


def _facts(placement: Placement) -> dict[str, object]:
    about = torch.cuda.get_device_properties(placement.device)
    nccl = torch.cuda.nccl.version() if dist.is_nccl_available() else ()  # type: ignore[no-untyped-call]
    return {
        "index": placement.device,
        "name": about.name,
        "uuid": str(getattr(about, "uuid", "")),
        "plane": placement.plane,
        "reason": placement.reason,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "nccl": ".".join(map(str, nccl)),
    }


def _profile(settings: Settings, device: CudaDevice, part: Shard) -> None:
    """The largest forward on a pool of one block, as upstream does before it sizes the KV cache.

    Its activations stay in the allocator's hands: what is free afterwards is what the pool may have.
    """
    device.pool = KvPool(settings.with_blocks(1), part, device.memory)
    count, width = settings.max_num_tokens, settings.blocks_per_sequence
    per_block = settings.kv.tokens_per_block
    positions = tuple(number % per_block for number in range(count))
    step = Step(
        tokens=(0,) * count,
        positions=positions,
        slots=tuple(per_block + position for position in positions),  # the scratch block
        tables=((1,) * width,) * count,
        counts=(count,) * settings.parallel.ep,
        sampling="greedy",
    )
    with device.recorder.phase("kv_profile"):
        device.eager(step)
    device.memory.profiled()
    del device.pool
