"""How ranks meet after loading, before a communicator is made inside graph capture (sgl-project/sglang#25581)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.spec.points import Point


class Loaded(Protocol):
    """The ranks of a data plane, which make another communicator later."""

    def barrier(self) -> None:
        """Wait for every member."""

    def monitored_barrier(self) -> None:
        """The same by messages: the first member hears of each other one, and answers it."""


class StartupBarrier(Protocol):
    """Ranks have loaded."""

    late: bool  # whether a communicator is made inside graph capture at all

    def meet(self, ranks: Loaded) -> None:
        """All of them come."""


class NoBarrier:
    """Sound: nobody waits, and no communicator is made late."""

    late = False

    def meet(self, ranks: Loaded) -> None:
        """Nobody comes."""


class Plain:
    """Sound too: a collective, which every member counts once."""

    late = True

    def meet(self, ranks: Loaded) -> None:
        """A barrier."""
        ranks.barrier()


class Monitored:
    """Messages, of which the first member counts more: numbers of a group differ from then on (sgl-project/sglang#25581)."""

    late = True

    def meet(self, ranks: Loaded) -> None:
        """A monitored barrier."""
        ranks.monitored_barrier()


STARTUP_BARRIER = Point[StartupBarrier](
    "startup_barrier",
    "how ranks meet after loading, before a communicator is made inside graph capture; `monitored`: by messages",
    {"none": NoBarrier(), "plain": Plain(), "monitored": Monitored()},
)
