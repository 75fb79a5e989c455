"""The breadcrumb: one 64-bit word a communicator that the device itself keeps, so that it tells where a replayed graph
hangs when the host can tell nothing. Standard library only.

`entered << 16 | site`: how many collectives the stream has begun, and the string id (plus one) of the one that it is in;
site 0: it is in none. One addition enters a collective and one leaves it, so a graph needs no more than a constant for each.
"""

from __future__ import annotations

from typing import NamedTuple

SITE_BITS = 16
NO_ROOM = (1 << SITE_BITS) - 1  # the site of an operation whose string id does not fit


class Crumb(NamedTuple):
    """A breadcrumb as read: `site` is the string id of the collective that the stream is in, None between two."""

    entered: int
    site: int | None

    @property
    def inside(self) -> bool:
        """Whether the stream has begun a collective that has not ended."""
        return self.site is not None

    @staticmethod
    def parse(word: int) -> Crumb:
        """From the word in the ring."""
        entered, site = divmod(word, 1 << SITE_BITS)
        return Crumb(entered, site - 1 if site else None)


def enter(site: int) -> int:
    """What to add to the word when collective `site` (a string id) begins."""
    return (1 << SITE_BITS) + _field(site)


def leave(site: int) -> int:
    """What to add when it has ended."""
    return -_field(site)


def _field(site: int) -> int:
    return min(site + 1, NO_ROOM)
