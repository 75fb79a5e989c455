"""Whether ranks wait for each other between the stages of a warm-up (vllm-project/vllm#51340)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point


class StageBarrier(Protocol):
    """Asked before each phase, and after the last."""

    def meet(self, tp: Communicator, world: Communicator) -> None:
        """A stage begins."""


class NoBarrier:
    """Sound where every stage ends in a collective of all: else a rank that ends a stage early meets its peers' with the
    collectives of the next (vllm-project/vllm#51340, #55319, vllm-project/vllm-ascend#10247)."""

    def meet(self, tp: Communicator, world: Communicator) -> None:
        """Nobody waits."""


class OfGroup:
    """Of the tensor-parallel group (a mend of vllm-project/vllm#55319)."""

    def meet(self, tp: Communicator, world: Communicator) -> None:
        """Wait for the group."""
        tp.barrier()


class OfWorld:
    """Of the world: no rank begins a stage before all have ended the last (the mend of vllm-project/vllm#51340)."""

    def meet(self, tp: Communicator, world: Communicator) -> None:
        """Wait for all."""
        world.barrier()


STAGE_BARRIER = Point[StageBarrier](
    "stage_barrier",
    "a barrier before each warm-up phase, and after the last: of the group, or of the world",
    {"none": NoBarrier(), "group": OfGroup(), "world": OfWorld()},
)
