"""The KV pool on CPU: keys and values of every layer, really allocated and written."""

from __future__ import annotations

import torch

from engines.minimal.model import HEAD_DIM, HEADS, LAYERS
from engines.minimal.settings import Settings

BYTES_PER_ELEMENT = 4  # float32


class KvPool:
    """Pool of shape [layers, 2, (blocks + 1) * tokens_per_block, heads, head_dim]; the last block is scratch."""

    def __init__(self, settings: Settings, heads: int) -> None:
        """Raises MemoryError when the capacity is less than one block."""
        self.tokens_per_block = settings.tokens_per_block
        per_block = block_bytes(self.tokens_per_block, heads)
        self.ballast = _ballast(settings)
        self.blocks = _blocks(settings, per_block)
        if self.blocks < 1:
            raise MemoryError(f"KV capacity {settings.kv_unit}={settings.kv_amount} holds no block of {per_block} bytes")
        slots = (self.blocks + 1) * self.tokens_per_block
        # Written once, so that the pages are really there.
        self.data = torch.zeros(LAYERS, 2, slots, heads, HEAD_DIM)
        self.bytes = self.data.numel() * self.data.element_size()


def block_bytes(tokens_per_block: int, heads: int = HEADS) -> int:
    """Bytes of one block over all layers, keys and values."""
    return LAYERS * 2 * tokens_per_block * heads * HEAD_DIM * BYTES_PER_ELEMENT


def _ballast(settings: Settings) -> torch.Tensor | None:
    """Memory that is taken, and touched, before the pool is sized."""
    if settings.kv_unit != "ballast_bytes":
        return None
    return torch.ones(int(settings.kv_amount), dtype=torch.uint8)


def _blocks(settings: Settings, per_block: int) -> int:
    """Blocks by the scenario's unit. A fraction or ballast counts against `max_tokens`, the whole of this rank's budget."""
    whole = (settings.max_kv_tokens or settings.max_batch_size * settings.max_seq_len) // settings.tokens_per_block
    match settings.kv_unit:
        case "blocks":
            blocks = int(settings.kv_amount)
        case "bytes":
            blocks = int(settings.kv_amount) // per_block
        case "fraction":
            blocks = int(settings.kv_amount * whole)
        case "ballast_bytes":
            blocks = int((whole * per_block - settings.kv_amount) * settings.kv_fraction) // per_block
        case unit:
            raise ValueError(f"unknown unit of KV capacity: {unit}")
    return min(blocks, whole) if settings.max_kv_tokens else blocks
