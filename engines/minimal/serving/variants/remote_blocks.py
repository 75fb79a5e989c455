"""How many KV blocks a replica takes its neighbour to have (vllm-project/vllm#46106)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lockstep.engines.minimal.serving.kv_agent import Region
from lockstep.engines.minimal.spec.points import Point


class RemoteBlocks(Protocol):
    """Asked when blocks are read."""

    def count(self, regions: Sequence[Region], neighbour: int) -> int:
        """Blocks of the neighbour's memory, by which its descriptors are numbered."""


class Each:
    """Sound: as many as that one says."""

    def count(self, regions: Sequence[Region], neighbour: int) -> int:
        """The neighbour's own."""
        return regions[neighbour].blocks


class First:
    """As many as the first rank has: a descriptor of a smaller neighbour means another block there, or none
    (vllm-project/vllm#46106)."""

    def count(self, regions: Sequence[Region], neighbour: int) -> int:
        """The first rank's."""
        return regions[0].blocks


REMOTE_BLOCKS = Point[RemoteBlocks](
    "remote_blocks",
    "how many KV blocks a replica takes its neighbour to have: what that one says, or what the first rank has",
    {"each": Each(), "first": First()},
)
