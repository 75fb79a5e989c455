"""The host tier: copies of KV blocks in host memory, written when a prompt is done and loaded back when it comes again.

Source: SGLang's HiCache. Whether a rank can write is its own affair (sgl-project/sglang#28429), and so is how much host
memory it has (NVIDIA/TensorRT-LLM#17380).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from lockstep.engines.minimal.base.protocols import Communicator, KvCache
from lockstep.engines.minimal.kv.variants.host_write import HOST_WRITE
from lockstep.engines.minimal.kv.variants.quota import HOST_QUOTA
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder
from lockstep.harness.trace.choice import LEFT_OUT

Key = tuple[int, ...]  # all tokens up to the end of a block: what its keys and values depend on


class HostTier:
    """`quota` blocks at most, those used longest ago dropped first. `ongoing`: writes that are not yet acknowledged."""

    def __init__(self, settings: Settings, pool: KvCache, tp: Communicator, recorder: Recorder) -> None:
        self.pool, self.tp, self.recorder = pool, tp, recorder
        self.on = settings.kv.host_tier
        self.quota = settings.kv.host_blocks
        self.stored: OrderedDict[Key, object] = OrderedDict()
        self.ongoing: list[list[Key]] = []
        self._quota = HOST_QUOTA.of(settings)
        self._write = HOST_WRITE.of(settings)

    def open(self, world: Communicator) -> None:
        """All ranks have a tier. Who has how much may be settled here."""
        self.quota = self._quota.blocks(self.quota, world, "host quota")

    def write(self, request: int, keys: Sequence[Key], blocks: Sequence[int]) -> None:
        """Copy the blocks of a prompt: all, or none if there is no room for all."""
        if not self.on:
            return
        new = [(key, block) for key, block in zip(keys, blocks, strict=True) if key not in self.stored]
        locked = {key for keys in self.ongoing for key in keys} | set(keys)
        spare = [key for key in self.stored if key not in locked]
        fits = len(new) <= self.quota - len(self.stored) + len(spare)
        if new:
            detail = f"blocks={len(new)} quota={self.quota}"
            self.recorder.decision(
                "decode.host_write", f"request={request}", "write" if fits else LEFT_OUT, detail, not fits
            )
        if not self._write.writes(fits, len(new), self.tp):
            return
        for key in spare[: max(0, len(self.stored) + len(new) - self.quota)]:
            del self.stored[key]
        for key, block in new:
            self.stored[key] = self.pool.read(block)
        self.ongoing.append([key for key, _ in new])

    def check(self, number: int) -> None:
        """Ranks exchange how many writes have ended."""
        if self.on and self._write.comes(number, len(self.ongoing), self.recorder):
            ended = min(map(int, self.tp.allgather(len(self.ongoing), "write status")))
            del self.ongoing[:ended]

    def load(self, key: Key, block: int) -> None:
        """Copy a block back."""
        self.stored.move_to_end(key)
        self.pool.write(block, self.stored[key])
