"""Lengths in tokens, divided so that a CPU can compute them: by one number, the tokens of a block too, so that every count
of blocks stays what it is upstream. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

BATCH_TOKENS, REQUEST_TOKENS = 512, 4096  # that a CPU computes within seconds
SHORTEST = 32  # the least of a request's length after division
MOST_BATCH_TOKENS = 1024


@dataclass(frozen=True, slots=True)
class Lengths:
    """Of one engine. None: not said."""

    batch_tokens: int
    request_tokens: int | None
    block_tokens: int

    def scale(self) -> int:
        """The power of two by which they are divided."""
        found = 1
        while self._too_long(found) and self._may_be(found * 2):
            found *= 2
        return found

    def _too_long(self, scale: int) -> bool:
        return self.batch_tokens // scale > BATCH_TOKENS or (self.request_tokens or 0) // scale > REQUEST_TOKENS

    def _may_be(self, scale: int) -> bool:
        return self.request_tokens is None or self.request_tokens // scale >= SHORTEST

    def blocks_each(self, scale: int) -> tuple[int, int]:
        """Tokens of a block after division, and how many of the engine's blocks one then stands for."""
        shared = math.gcd(self.block_tokens, scale)
        return self.block_tokens // shared, scale // shared
