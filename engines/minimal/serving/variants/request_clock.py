"""Whose clock ends requests that wait too long (sgl-project/sglang#27221)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point


class RequestClock(Protocol):
    """Asked in each step by ranks that share requests."""

    def expired(self, own: list[int], tp: Communicator) -> list[int]:
        """The requests that have waited too long, where those of `own` have by this rank's clock."""


class FirstRank:
    """Sound: that of the first rank, which tells the others."""

    def expired(self, own: list[int], tp: Communicator) -> list[int]:
        """The first rank's."""
        first: list[int] = tp.broadcast(own, 0, "expired requests")
        return first


class Own:
    """Each rank's own: a request that straddles the limit is taken out on one rank only (sgl-project/sglang#27221)."""

    def expired(self, own: list[int], tp: Communicator) -> list[int]:
        """Its own."""
        return own


REQUEST_CLOCK = Point[RequestClock](
    "request_clock",
    "whose clock ends requests that wait too long: that of the first rank, which tells the others, or each rank's own",
    {"first-rank": FirstRank(), "own": Own()},
)
