"""By which of its numbers a rank finds that it is the source of its group's requests (lightseekorg/tokenspeed#786)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point


class FeedRank(Protocol):
    """Asked by each rank of an attention group."""

    def is_source(self, rank: int, group: Communicator) -> bool:
        """Whether rank `rank` of all is the first of its group."""


class Global:
    """Sound: its number among all ranks is compared with the source's among all ranks."""

    def is_source(self, rank: int, group: Communicator) -> bool:
        """Both of all ranks."""
        return rank == _source(rank, group)


class Local:
    """Its number in the group is: in the second group nobody is the source (lightseekorg/tokenspeed#786)."""

    def is_source(self, rank: int, group: Communicator) -> bool:
        """One of the group, one of all ranks."""
        return group.rank == _source(rank, group)


def _source(rank: int, group: Communicator) -> int:
    """The number among all ranks of the first of the group."""
    return rank - group.rank


FEED_RANK = Point[FeedRank](
    "feed_rank",
    "by which of its numbers a rank finds that it is the source of its attention group's requests",
    {"global": Global(), "local": Local()},
)
