"""How many KV blocks a rank uses, on its device and on its host: its own number, or one for all."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point


class Quota(Protocol):
    """Asked once, when the cache is there."""

    def blocks(self, own: int, world: Communicator, what: str) -> int:
        """How many blocks are used of this rank's `own`. `what` names the quota."""


class Own:
    """As many as it has. Sound where ranks have requests of their own; ranks that share them find no room at other
    moments (NVIDIA/TensorRT-LLM#13104, #17380, GeeeekExplorer/nano-vllm#275)."""

    def blocks(self, own: int, world: Communicator, what: str) -> int:
        """All of them."""
        return own


class Least:
    """As many as the rank has that has the fewest: the mend of NVIDIA/TensorRT-LLM#13104 and #17380."""

    def blocks(self, own: int, world: Communicator, what: str) -> int:
        """The least of all ranks."""
        return min(map(int, world.allgather(own, what)))


KV_QUOTA = Point[Quota](
    "kv_quota",
    "how many KV blocks a rank uses: as many as it has, or `min`: as the rank that has the fewest",
    {"own": Own(), "min": Least()},
)
HOST_QUOTA = Point[Quota](
    "host_quota",
    "how many blocks a rank's host tier has: its own number, or the least",
    {"own": Own(), "min": Least()},
)
