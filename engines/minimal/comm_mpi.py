"""The control plane: mpi4py communicators, every blocking call an event."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import mpi4py

mpi4py.rc.initialize = False  # MPI_Init is an event of ours
mpi4py.rc.finalize = False

from mpi4py import MPI  # noqa: E402

from harness.trace import Comm, Recorder  # noqa: E402

TAGS = 32_000  # MPI promises tags up to 32,767


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

    def barrier(self) -> None:
        """Wait for every member."""
        with self._recorder.collective(self._comm, "barrier"):
            self.mpi.Barrier()

    def send(self, value: object, to: int, what: str) -> None:
        """Hand a value to member `to`; ends when that one has taken it (a synchronous send)."""
        with self._recorder.send(self._comm, to, _tag(what), synchronous=True, what=what):
            self.mpi.ssend(value, to, _tag(what))

    def isend(self, value: object, to: int, what: str) -> PendingSend:
        """Begin to hand a value to member `to`. A large one moves only while this rank is inside MPI."""
        self._recorder.post_send(self._comm, to, _tag(what), what=what)
        return PendingSend(self.mpi.isend(value, to, _tag(what)))

    def recv(self, source: int, what: str) -> Any:
        """The next value that member `source` sends as `what`."""
        with self._recorder.recv(self._comm, source, _tag(what), what=what):
            return self.mpi.recv(source=source, tag=_tag(what))

    def abort(self, code: int) -> None:
        """End the job at once."""
        self.mpi.Abort(code)


def alone(recorder: Recorder, rank: int) -> MpiCommunicator:
    """The communicator of this rank by itself, on which nothing ever waits."""
    return MpiCommunicator(recorder, MPI.COMM_SELF, recorder.comm("mpi", "self", [rank]))


class PendingSend:
    """A send that does not block."""

    def __init__(self, request: Any) -> None:
        self._request = request

    def wait(self) -> None:
        """Until the value is on its way. It may be buffered, so this is never counted as a wait for the receiver."""
        self._request.wait()


def _tag(what: str) -> int:
    """Values of different purpose never meet, as with upstream's message tags."""
    return zlib.crc32(what.encode()) % TAGS


def finalize() -> None:
    """End MPI in order."""
    MPI.Finalize()
