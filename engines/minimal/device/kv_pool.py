"""The KV pool: keys and values of every layer, really allocated and written, on host or device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch

from lockstep.engines.minimal.model.decoder import Shard
from lockstep.engines.minimal.spec.blocks import block_bytes
from lockstep.engines.minimal.spec.model import HEAD_DIM
from lockstep.engines.minimal.spec.settings import Settings


class DeviceMemory(Protocol):
    """A rank's share of a device's memory, in bytes."""

    @property
    def free(self) -> int:
        """What is left of it."""

    def take(self, size: int) -> None:
        """Really take `size` bytes of it."""


class KvPool:
    """Pool of shape [layers, 2, (blocks + 1) * tokens_per_block, heads, head_dim]; the last block is scratch."""

    def __init__(self, settings: Settings, part: Shard, memory: DeviceMemory | None = None) -> None:
        """On the device of `memory`, else on the host. Raises MemoryError when the capacity is less than one block."""
        self.tokens_per_block = settings.kv.tokens_per_block
        self.ballast: torch.Tensor | None = None
        per_block = block_bytes(self.tokens_per_block, part.heads, len(part.layers))
        if settings.kv.unit == "ballast_bytes":
            self._take(int(settings.kv.amount), memory)
        self.blocks = _blocks(settings, per_block, memory)
        if self.blocks < 1:
            raise MemoryError(f"KV capacity {settings.kv.unit}={settings.kv.amount} holds no block of {per_block} bytes")
        slots = (self.blocks + 1) * self.tokens_per_block
        # Written once, so that the pages are really there.
        self.data = torch.zeros(len(part.layers), 2, slots, part.heads, HEAD_DIM, device="cuda" if memory else "cpu")
        self.bytes = self.data.numel() * self.data.element_size()

    def discard(self) -> None:
        """Give the pool's memory back, as a sleep does. Whoever touches it now meets an error, or dies if a graph does."""
        self.data.untyped_storage().resize_(0)

    def restore(self) -> None:
        """Take it again, without what was in it."""
        self.data.untyped_storage().resize_(self.bytes)
        self.data.zero_()

    def read(self, block: int) -> object:
        """A copy of what a block holds, on the host: [layers, 2, tokens_per_block, heads, head_dim]."""
        return self.data[:, :, self._slots(block)].cpu().clone()

    def write(self, block: int, content: object) -> None:
        """Put what `read` gave into a block."""
        assert isinstance(content, torch.Tensor)  # noqa: S101  what `read` gave
        self.data[:, :, self._slots(block)] = content.to(self.data.device)
        self._wait()

    @property
    def parts(self) -> int:
        """The keys of each layer, and its values."""
        return 2 * self.data.shape[0]

    def read_part(self, block: int, part: int) -> object:
        """A copy of what a block holds of one part, as a NumPy array: it may travel."""
        return self.data[part // 2, part % 2, self._slots(block)].cpu().numpy().copy()

    def write_parts(self, block: int, contents: Sequence[object]) -> None:
        """Put what `read_part` gave of each part into a block."""
        for part, content in enumerate(contents):
            self.data[part // 2, part % 2, self._slots(block)] = torch.as_tensor(content).to(self.data.device)
        self._wait()

    def _wait(self) -> None:
        """Until a write has happened: on a device forwards run on another stream, which does not wait for this one."""
        if self.data.is_cuda:
            torch.cuda.current_stream().synchronize()

    def _slots(self, block: int) -> slice:
        return slice(block * self.tokens_per_block, (block + 1) * self.tokens_per_block)

    def _take(self, size: int, memory: DeviceMemory | None) -> None:
        """Take, and touch, ballast before the pool is sized."""
        if memory is None:
            self.ballast = torch.ones(size, dtype=torch.uint8)
        else:
            memory.take(size)


def is_measured(settings: Settings) -> bool:
    """Whether the capacity is a share of what is free, so that a device's memory has to be measured first."""
    return settings.kv.unit in ("fraction", "ballast_bytes")


def _blocks(settings: Settings, per_block: int, memory: DeviceMemory | None) -> int:
    """Blocks by the scenario's unit. On a host a fraction or ballast counts against `max_tokens`, the whole of this rank's
    share, on a device against what is free of its memory; `max_tokens` is an upper limit."""
    whole = (settings.kv.max_tokens or settings.max_batch_size * settings.max_seq_len) // settings.kv.tokens_per_block
    match settings.kv.unit:
        case "blocks":
            blocks = int(settings.kv.amount)
        case "bytes":
            blocks = int(settings.kv.amount) // per_block
        case "fraction":
            blocks = int(settings.kv.amount * (memory.free // per_block if memory else whole))
        case "ballast_bytes":
            left = memory.free if memory else whole * per_block - settings.kv.amount
            blocks = int(left * settings.kv.fraction) // per_block
        case unit:
            raise ValueError(f"unknown unit of KV capacity: {unit}")
    return min(blocks, whole) if settings.kv.max_tokens else blocks
