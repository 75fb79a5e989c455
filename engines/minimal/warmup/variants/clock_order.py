"""In which order a rank meets the others at the end of the warm-up (deepseek-ai/DeepEP#496)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point

Meeting = Callable[[], object]


class ClockOrder(Protocol):
    """Asked once."""

    def meetings(self, rank: int, of_world: Sequence[Meeting], tp: Communicator) -> Sequence[Meeting]:
        """Those of the world, and what else there is, in order."""


class Same:
    """Sound: all ranks in one order."""

    def meetings(self, rank: int, of_world: Sequence[Meeting], tp: Communicator) -> Sequence[Meeting]:
        """The world's."""
        return of_world


class ByParity:
    """Odd ranks meet on world and on the group in the other order (deepseek-ai/DeepEP#496)."""

    def meetings(self, rank: int, of_world: Sequence[Meeting], tp: Communicator) -> Sequence[Meeting]:
        """Forwards or backwards."""
        return [*of_world, tp.barrier][:: -1 if rank % 2 else 1]


CLOCK_ORDER = Point[ClockOrder](
    "clock_order",
    "`by-parity`: odd ranks meet on world and on the group in the other order",
    {"same": Same(), "by-parity": ByParity()},
)
