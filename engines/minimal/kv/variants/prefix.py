"""How much of a prompt ranks with the same requests reuse (sgl-project/sglang#33442)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point


class Prefix(Protocol):
    """Asked for each request that ranks share."""

    def length(self, own: int, tp: Communicator) -> int:
        """How many blocks are reused where this rank knows `own`."""


class Agreed:
    """Sound: what all of them have."""

    def length(self, own: int, tp: Communicator) -> int:
        """The least."""
        return min(map(int, tp.allgather(own, "prefix length")))


class Local:
    """Each what it has: a rank that is a block short enters the same forward with more tokens (sgl-project/sglang#33442)."""

    def length(self, own: int, tp: Communicator) -> int:
        """Its own."""
        return own


PREFIX = Point[Prefix](
    "prefix",
    "how much of a prompt ranks with the same requests reuse: what all of them have, or each what it has itself",
    {"agreed": Agreed(), "local": Local()},
)
