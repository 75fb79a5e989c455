"""What the hang detector does when it fires (NVIDIA/TensorRT-LLM#15612)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.failure.variants.rank_crash import CODE
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class Job(Protocol):
    """All ranks, as what launched them knows them."""

    def abort(self, code: int) -> None:
        """End the job at once."""

    def duplicate(self, name: str) -> Communicator:
        """Another communicator of the same ranks. All of them must call it."""


class OnHang(Protocol):
    """Made when the rank is, if there is a detector."""

    def fired(self) -> None:
        """The executor has not come round for too long."""


class Abort:
    """Sound: the job ends by force."""

    def __init__(self, world: Job, recorder: Recorder) -> None:
        self.world, self.recorder = world, recorder

    def fired(self) -> None:
        """MPI_Abort."""
        self.recorder.abort(CODE)
        self.world.abort(CODE)


class Graceful:
    """A shutdown in order, which waits for ranks that cannot come (NVIDIA/TensorRT-LLM#15612)."""

    def __init__(self, world: Job, recorder: Recorder) -> None:
        self.shutdown = world.duplicate("shutdown")

    def fired(self) -> None:
        """Meet all ranks."""
        self.shutdown.barrier()


ON_HANG = Point[Callable[[Job, Recorder], OnHang]](
    "on_hang",
    "what the hang detector does when it fires: MPI_Abort, or `graceful`: a shutdown that meets all ranks",
    {"abort": Abort, "graceful": Graceful},
)
