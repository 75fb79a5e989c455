"""The host tier: copies of KV blocks in host memory, written when a prompt is done and loaded back when it comes again.

Source: SGLang's HiCache. Whether a rank can write is its own affair (sgl-project/sglang#28429), and so is how much host
memory it has (NVIDIA/TensorRT-LLM#17380).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from lockstep.engines.minimal.base.protocols import Communicator, KvCache
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder

Key = tuple[int, ...]  # all tokens up to the end of a block: what its keys and values depend on


@dataclass(slots=True)
class HostTier:
    """`quota` blocks at most, those used longest ago dropped first. `ongoing`: writes that are not yet acknowledged."""

    settings: Settings
    pool: KvCache
    tp: Communicator
    recorder: Recorder
    quota: int
    stored: OrderedDict[Key, object] = field(default_factory=OrderedDict)
    ongoing: list[list[Key]] = field(default_factory=list)

    def write(self, request: int, keys: Sequence[Key], blocks: Sequence[int]) -> None:
        """Copy the blocks of a prompt: all, or none if there is no room for all."""
        if not self.settings.kv.host_tier:
            return
        new = [(key, block) for key, block in zip(keys, blocks, strict=True) if key not in self.stored]
        locked = {key for keys in self.ongoing for key in keys} | set(keys)
        spare = [key for key in self.stored if key not in locked]
        fits = len(new) <= self.quota - len(self.stored) + len(spare)
        detail = f"blocks={len(new)} quota={self.quota}"
        if new:
            self.recorder.decision("decode.host_write", f"request={request}", "write" if fits else "none", detail, not fits)
        if self.settings.habits.host_write == "reserve":
            # Also a rank that has it all comes, and counts a write, so that counts mean the same on every rank.
            fits = all(self.tp.allgather(fits, "host reserve"))
        elif not new:
            return
        if not fits:
            return
        for key in spare[: max(0, len(self.stored) + len(new) - self.quota)]:
            del self.stored[key]
        for key, block in new:
            self.stored[key] = self.pool.read(block)
        self.ongoing.append([key for key, _ in new])

    def check(self, number: int) -> None:
        """Ranks exchange how many writes have ended. Behind a gate a rank without any does not come."""
        if not self.settings.kv.host_tier:
            return
        if self.settings.habits.host_write == "gated":
            choice = "meet" if self.ongoing else "pass"
            self.recorder.decision("decode.write_check", f"step={number}", choice, deviates=not self.ongoing)
            if not self.ongoing:
                return
        ended = min(map(int, self.tp.allgather(len(self.ongoing), "write status")))
        del self.ongoing[:ended]

    def load(self, key: Key, block: int) -> None:
        """Copy a block back."""
        self.stored.move_to_end(key)
        self.pool.write(block, self.stored[key])
