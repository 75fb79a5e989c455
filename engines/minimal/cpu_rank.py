"""A rank's device and data plane on the CPU: gloo, and memory that the scenario counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch.utils._python_dispatch import _disable_current_modes

from engines.minimal.comm_gloo import GlooGroup
from engines.minimal.comm_gloo_attention import AttentionGroup
from engines.minimal.comm_gloo_late import LateGroup
from engines.minimal.comm_gloo_link import GlooLink
from engines.minimal.comm_mpi import MpiCommunicator
from engines.minimal.cpu_device import CpuDevice
from engines.minimal.data_plane import Hooks
from engines.minimal.host_memory import HostMemory
from engines.minimal.kv_pool import KvPool
from engines.minimal.model import Model, Shard
from engines.minimal.settings import Settings
from harness.trace import Recorder


def cpu_device(
    settings: Settings,
    recorder: Recorder,
    tp: MpiCommunicator,
    pp: MpiCommunicator,
    members: Sequence[int],
    stages: Sequence[int],
    part: Shard,
    seed: int,
    hooks: Hooks,
) -> CpuDevice:
    """The device with its model and its KV pool. All members must call it."""
    plane = GlooGroup(recorder, "ep" if settings.parallel.attention_dp else "tp", tp, members, hooks)
    device = CpuDevice(plane, recorder)
    if settings.parallel.attention_tp > 1:
        first = settings.rank - tp.rank % settings.parallel.attention_tp
        plane.heads = AttentionGroup(recorder, plane, range(first, first + settings.parallel.attention_tp))
    if settings.habits.startup_barrier != "none" and plane.shared is not None:
        late = LateGroup(recorder, plane.shared, plane.rank, members)
        late.startup_barrier(settings.habits.startup_barrier == "monitored")
        device.before_capture = late.open
    if pp.size > 1:
        plane.link = GlooLink(recorder, pp, stages)

    def workspace(tokens: int) -> None:
        with _disable_current_modes():  # a graph's replays need none: what it takes is given back at once
            device.memory.workspace(tokens * settings.workspace_bytes)

    hooks = replace(hooks, workspace=workspace)
    device.model = Model(part, settings.draft_len, seed, device, hooks, dense_layers=settings.dense_layers)
    device.pool = KvPool(settings, part)
    device.memory = HostMemory(settings.host_memory)
    return device


class Estimation:
    """A context in which the device has the small pool with which upstream estimates how much there is room for."""

    def __init__(self, device: CpuDevice, pool: KvPool) -> None:
        self._device, self._pool, self._own = device, pool, device.pool

    def __enter__(self) -> KvPool:
        self._device.pool = self._pool
        return self._pool

    def __exit__(self, *error: object) -> None:
        self._device.pool = self._own


def estimation(device: CpuDevice, settings: Settings, part: Shard) -> Estimation:
    """The pool is the same on every rank, whatever their capacities."""
    blocks = -(-settings.max_num_tokens // settings.tokens_per_block) + settings.max_batch_size
    return Estimation(device, KvPool(replace(settings, kv_unit="blocks", kv_amount=blocks), part))
