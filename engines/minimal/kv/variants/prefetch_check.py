"""For which requests ranks agree on their prefetch into the host tier (sgl-project/sglang#30760)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.spec.points import Point

Progress = Callable[[Request], None]  # a collective of the ranks that share the request


class PrefetchCheck(Protocol):
    """Asked while requests are scheduled."""

    def before_all(self, waiting: Iterable[Request], progress: Progress) -> None:
        """The requests that wait are about to be started, as far as there is room."""

    def before_one(self, request: Request, progress: Progress) -> None:
        """This one is next."""


class AllWaiting:
    """Sound: for all that wait, which are the same on every rank."""

    def before_all(self, waiting: Iterable[Request], progress: Progress) -> None:
        """Each of them."""
        for request in waiting:
            progress(request)

    def before_one(self, request: Request, progress: Progress) -> None:
        """It has been."""


class UntilFull:
    """Until no more fits this rank: one with less room stops earlier (sgl-project/sglang#30760)."""

    def before_all(self, waiting: Iterable[Request], progress: Progress) -> None:
        """Not yet."""

    def before_one(self, request: Request, progress: Progress) -> None:
        """Now."""
        progress(request)


PREFETCH_CHECK = Point[PrefetchCheck](
    "prefetch_check",
    "for which requests ranks agree on their prefetch: all that wait, or until no more fits this rank",
    {"all-waiting": AllWaiting(), "until-full": UntilFull()},
)
