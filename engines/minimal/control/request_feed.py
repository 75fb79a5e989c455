"""The request feed: requests reach the first rank of an attention group, which sends them to the others of it.

Source: lightseekorg/tokenspeed#786, where a rank's number in its group is compared with a number among all ranks.
"""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.spec.settings import Settings


@dataclass(frozen=True, slots=True)
class RequestFeed:
    """`group`: the ranks of this rank's attention group."""

    settings: Settings
    group: Communicator

    def share(self, arrived: list[Request]) -> list[Request]:
        """The group's new requests, on every rank of it."""
        source = self.settings.rank - self.group.rank  # among all ranks
        own = self.settings.rank if self.settings.habits.feed_rank == "global" else self.group.rank
        if own == source:
            plain = [(request.ident, request.prompt, request.limit, request.image) for request in arrived]
            for peer in range(1, self.group.size):
                self.group.send(plain, peer, "requests")
            return arrived
        return [Request(*plain) for plain in self.group.recv(0, "requests")]
