"""The request feed: requests reach the first rank of an attention group, which sends them to the others of it."""

from __future__ import annotations

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.control.variants.feed_rank import FEED_RANK
from lockstep.engines.minimal.spec.settings import Settings


class RequestFeed:
    """`group`: the ranks of this rank's attention group; None: it shares its requests with nobody."""

    def __init__(self, settings: Settings, group: Communicator | None) -> None:
        self._group = group
        self._first = group is None or FEED_RANK.of(settings).is_source(settings.rank, group)

    def share(self, arrived: list[Request]) -> list[Request]:
        """The group's new requests, on every rank of it."""
        if self._group is None:
            return arrived
        if not self._first:
            return [Request(*plain) for plain in self._group.recv(0, "requests")]
        for peer in range(1, self._group.size):
            self._group.send([request.plain for request in arrived], peer, "requests")
        return arrived
