"""The estimation: upstream's first executor, which has a small KV pool and finds out how much there is room for."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.device.kv_pool import DeviceMemory, KvPool
from lockstep.engines.minimal.model.decoder import Shard
from lockstep.engines.minimal.spec.settings import Settings


class Pooled(Protocol):
    """A device whose KV pool may be another for a while."""

    pool: KvPool


class Estimation:
    """A context in which the device has the small pool, on the host or on the device of `memory`."""

    def __init__(self, device: Pooled, settings: Settings, part: Shard, memory: DeviceMemory | None = None) -> None:
        self._device, self._settings, self._part, self._memory = device, settings, part, memory
        self._own = device.pool

    def __enter__(self) -> KvPool:
        """The pool is the same on every rank, whatever their capacities."""
        settings = self._settings
        blocks = -(-settings.max_num_tokens // settings.kv.tokens_per_block) + settings.max_batch_size
        self._device.pool = KvPool(settings.with_blocks(blocks), self._part, self._memory)
        return self._device.pool

    def __exit__(self, *error: object) -> None:
        self._device.pool = self._own
