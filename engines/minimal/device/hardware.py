"""The hardware of a rank: its device with the model on it, its data plane, its KV pool; on the CPU or on a GPU."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from lockstep.engines.minimal.base.protocols import Device, KvCache
from lockstep.engines.minimal.comm.data_plane import DataPlane, Hooks
from lockstep.engines.minimal.comm.groups import Groups
from lockstep.engines.minimal.device.estimation import Estimation
from lockstep.engines.minimal.failure.faults import FaultyDevice
from lockstep.engines.minimal.model.decoder import shard
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder

WEIGHT_SEED = 1234


@dataclass(frozen=True, slots=True)
class Hardware:
    """`faulty`: where faults of a GPU happen. `captures`: a record of each graph of a GPU."""

    device: Device
    plane: DataPlane
    pool: KvCache
    estimation: Estimation
    faulty: FaultyDevice | None = None
    captures: list[dict[str, str | float]] = field(default_factory=list)

    @staticmethod
    def make(settings: Settings, recorder: Recorder, groups: Groups, hooks: Hooks) -> Hardware:
        """As the scenario asks for. All ranks must call it."""
        torch.set_num_threads(1)
        torch.set_grad_enabled(False)
        parallel, tp, pp = settings.parallel, groups.tp, groups.pp
        part = shard(tp.rank, parallel.tp, parallel.ep, parallel.attention_dp, pp.rank, parallel.pp, parallel.attention_tp)
        if settings.device.kind == "cuda":
            from lockstep.engines.minimal.device.cuda_setup import cuda_device

            gpu = cuda_device(settings, recorder, groups, part, WEIGHT_SEED, hooks)
            estimation = Estimation(gpu, settings, part, gpu.memory)
            return Hardware(gpu, gpu.plane, gpu.pool, estimation, gpu, gpu.captures)
        from lockstep.engines.minimal.device.cpu_setup import cpu_device

        host = cpu_device(settings, recorder, groups, part, WEIGHT_SEED, hooks)
        return Hardware(host, host.plane, host.pool, Estimation(host, settings, part))
