"""The control plane: mpi4py communicators, every blocking call an event."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mpi4py

mpi4py.rc.initialize = False  # MPI_Init is an event of ours
mpi4py.rc.finalize = False

from mpi4py import MPI  # noqa: E402

from harness.trace import Comm, Recorder  # noqa: E402
from harness.trace.event import Need  # noqa: E402


class MpiCommunicator:
    """A blocking host communicator over MPI; values travel pickled, as in TensorRT-LLM's `MPIDist`."""

    def __init__(self, recorder: Recorder, mpi: Any, comm: Comm) -> None:
        self.mpi = mpi
        self.rank: int = mpi.Get_rank()
        self.size: int = mpi.Get_size()
        self._recorder = recorder
        self._comm = comm

    @classmethod
    def world(cls, recorder: Recorder, size: int) -> MpiCommunicator:
        """Initialise MPI. The world is announced before, so that a rank that never comes here is seen to be missing."""
        comm = recorder.comm("mpi", "world", range(size))
        with recorder.collective(comm, "init"):
            MPI.Init()
        return cls(recorder, MPI.COMM_WORLD, comm)

    def split(self, name: str, members: Sequence[int]) -> MpiCommunicator:
        """The communicator of `members` (ranks of this one), to which this rank belongs. All ranks must call it."""
        with self._recorder.collective(self._comm, "comm_split"):
            mpi = self.mpi.Split(min(members), self.rank)
        return MpiCommunicator(self._recorder, mpi, self._recorder.comm("mpi", name, members))

    def on_this_host(self) -> tuple[int, int]:
        """This rank's number among the ranks of its host, and how many they are. All ranks must call it."""
        with self._recorder.collective(self._comm, "comm_split_type"):
            local = self.mpi.Split_type(MPI.COMM_TYPE_SHARED)
        return local.Get_rank(), local.Get_size()

    def allgather(self, value: object, what: str = "") -> list[Any]:
        """Every member's value, by rank; `what` it is stands in the event."""
        with self._recorder.collective(self._comm, f"allgather {what}".rstrip()):
            found: list[Any] = self.mpi.allgather(value)
        return found

    def broadcast(self, value: object, root: int, what: str = "") -> Any:
        """The value of member `root`, who may leave before anybody has come."""
        need = Need.NOBODY if self.rank == root else Need.ROOT
        with self._recorder.collective(self._comm, f"broadcast {what}".rstrip(), need=need, root=root):
            return self.mpi.bcast(value, root)

    def barrier(self) -> None:
        """Wait for every member."""
        with self._recorder.collective(self._comm, "barrier"):
            self.mpi.Barrier()

    def abort(self, code: int) -> None:
        """End the job at once."""
        self.mpi.Abort(code)


def finalize() -> None:
    """End MPI in order."""
    MPI.Finalize()
