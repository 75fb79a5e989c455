"""The number of free KV blocks, as a number that tells what it was compared with."""

from __future__ import annotations

from typing import Any

from lockstep.engines.source.graft.bench import Bench


class FreeBlocks(int):
    """Free blocks as grafted code counts with them. Each comparison is noted, for the figures of decisions."""

    bench: Bench

    @classmethod
    def of(cls, bench: Bench, count: int) -> FreeBlocks:
        """So many, on a bench."""
        made = cls(count)
        made.bench = bench
        return made

    def _needed(self, other: int) -> None:
        self.bench.needed_blocks = int(other)

    def __lt__(self, other: Any) -> bool:
        self._needed(other)
        return bool(int(self) < other)

    def __le__(self, other: Any) -> bool:
        self._needed(other)
        return bool(int(self) <= other)

    def __gt__(self, other: Any) -> bool:
        self._needed(other)
        return bool(int(self) > other)

    def __ge__(self, other: Any) -> bool:
        self._needed(other)
        return bool(int(self) >= other)

    def __floordiv__(self, other: Any) -> FreeBlocks:
        return FreeBlocks.of(self.bench, int(self) // other)

    def __reduce__(self) -> tuple[type[int], tuple[int]]:
        return int, (int(self),)
