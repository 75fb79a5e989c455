"""What leaving a graph's capture does (sgl-project/sglang#11275)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point


class CaptureExit(Protocol):
    """Asked for each capture."""

    def capture(self, world: Communicator) -> AbstractContextManager[None]:
        """What stands around it."""


class Plain:
    """Sound: nothing."""

    def capture(self, world: Communicator) -> AbstractContextManager[None]:
        """No context."""
        return nullcontext()


class Collective:
    """A collective, also when an error leaves it: custom all-reduce's context registers buffers with all ranks when it is
    left (sgl-project/sglang#11275)."""

    @contextmanager
    def capture(self, world: Communicator) -> Iterator[None]:
        """Ends with a barrier."""
        try:
            yield
        finally:
            world.barrier()


CAPTURE_EXIT = Point[CaptureExit](
    "capture_exit",
    "`collective`: leaving a graph's capture runs a collective, also when an error leaves it",
    {"plain": Plain(), "collective": Collective()},
)
