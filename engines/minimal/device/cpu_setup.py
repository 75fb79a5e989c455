"""A rank's device and data plane on the CPU: gloo, and memory that the scenario counts."""

from __future__ import annotations

from dataclasses import replace

from torch.utils._python_dispatch import _disable_current_modes

from lockstep.engines.minimal.comm.data_plane import Hooks
from lockstep.engines.minimal.comm.gloo import GlooGroup
from lockstep.engines.minimal.comm.gloo_attention import AttentionGroup
from lockstep.engines.minimal.comm.gloo_late import LateGroup
from lockstep.engines.minimal.comm.gloo_link import GlooLink
from lockstep.engines.minimal.comm.groups import Groups
from lockstep.engines.minimal.comm.meeting import Meeting
from lockstep.engines.minimal.control.variants.startup_barrier import STARTUP_BARRIER
from lockstep.engines.minimal.device.cpu import CpuDevice
from lockstep.engines.minimal.device.host_memory import HostMemory
from lockstep.engines.minimal.device.kv_pool import KvPool
from lockstep.engines.minimal.model.decoder import Model, Shard
from lockstep.engines.minimal.model.partitioned import partition
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


def cpu_device(settings: Settings, recorder: Recorder, groups: Groups, part: Shard, seed: int, hooks: Hooks) -> CpuDevice:
    """The device with its model and its KV pool. All ranks must call it."""
    tp, pp, members, stages = groups.tp, groups.pp, groups.members, groups.stages
    plane = GlooGroup(Meeting(recorder, "ep" if settings.parallel.attention_dp else "tp", tp, members, hooks))
    device = CpuDevice(plane, recorder)
    if settings.parallel.attention_tp > 1:
        first = settings.rank - tp.rank % settings.parallel.attention_tp
        plane.heads = AttentionGroup(recorder, plane, range(first, first + settings.parallel.attention_tp))
    startup = STARTUP_BARRIER.of(settings)
    if startup.late and plane.shared is not None:
        late = LateGroup(recorder, plane.shared, plane.rank, members)
        startup.meet(late)
        device.before_capture = late.open
    if pp.size > 1:
        plane.link = GlooLink(recorder, pp, stages)

    def workspace(tokens: int) -> None:
        with _disable_current_modes():  # a graph's replays need none: what it takes is given back at once
            device.memory.workspace(tokens * settings.moe.workspace_bytes)

    hooks = replace(hooks, workspace=workspace)
    sums = plane.beside("sums", members) if settings.moe.by_mode else device
    moe, drafts = settings.moe, settings.drafts.length
    model = Model(part, drafts, seed, device, hooks, "cpu", moe.dense_layers, moe.chunk, sums)
    if settings.data_parallel.zero_stage == 3:
        partition(model, device, tp.rank, tp.size)
    device.model = model
    device.pool = KvPool(settings, part)
    device.memory = HostMemory(settings.device.host_memory)
    return device
