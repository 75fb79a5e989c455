"""The control plane: mpi4py communicators, every blocking call an event."""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from typing import Any

import mpi4py

mpi4py.rc.initialize = False  # MPI_Init is an event of ours
mpi4py.rc.finalize = False

from mpi4py import MPI  # noqa: E402

from lockstep.harness.trace import Comm, Recorder  # noqa: E402
from lockstep.harness.trace.event import Need  # noqa: E402

TAGS = 32_000  # MPI promises tags up to 32,767


class MpiCommunicator:
    """A blocking host communicator over MPI; values travel pickled, as in TensorRT-LLM's `MPIDist`."""

    def __init__(self, recorder: Recorder, mpi: Any, comm: Comm) -> None:
        self.mpi = mpi
        self.rank: int = mpi.Get_rank()
        self.size: int = mpi.Get_size()
        self._recorder = recorder
        self.comm = comm

    @classmethod
    def world(cls, recorder: Recorder, size: int, threads: bool = False) -> MpiCommunicator:
        """Initialise MPI, with `threads` for several of them. The world is announced before, so that a rank that never comes
        here is seen to be missing."""
        comm = recorder.comm("mpi", "world", range(size))
        with recorder.collective(comm, "init"):
            MPI.Init_thread(MPI.THREAD_MULTIPLE if threads else MPI.THREAD_SINGLE)
        return cls(recorder, MPI.COMM_WORLD, comm)

    def split(self, name: str, members: Sequence[int]) -> MpiCommunicator:
        """The communicator of `members` (ranks of this one), to which this rank belongs. All ranks must call it."""
        with self._recorder.collective(self.comm, "comm_split"):
            mpi = self.mpi.Split(min(members), self.rank)
        return MpiCommunicator(self._recorder, mpi, self._recorder.comm("mpi", name, members))

    def duplicate(self, name: str) -> MpiCommunicator:
        """Another communicator of the same ranks. All of them must call it."""
        with self._recorder.collective(self.comm, f"comm_dup {name}"):
            mpi = self.mpi.Dup()
        return MpiCommunicator(self._recorder, mpi, self._recorder.comm("mpi", name, self.comm.members))

    def on_this_host(self) -> tuple[int, int]:
        """This rank's number among the ranks of its host, and how many they are. All ranks must call it."""
        with self._recorder.collective(self.comm, "comm_split_type"):
            local = self.mpi.Split_type(MPI.COMM_TYPE_SHARED)
        return local.Get_rank(), local.Get_size()

    def allgather(self, value: object, what: str = "") -> list[Any]:
        """Every member's value, by rank; `what` it is stands in the event."""
        with self._recorder.collective(self.comm, f"allgather {what}".rstrip()):
            found: list[Any] = self.mpi.allgather(value)
        return found

    def broadcast(self, value: object, root: int, what: str = "") -> Any:
        """The value of member `root`, who may leave before anybody has come."""
        need = Need.NOBODY if self.rank == root else Need.ROOT
        with self._recorder.collective(self.comm, f"broadcast {what}".rstrip(), need=need, root=root):
            return self.mpi.bcast(value, root)

    def barrier(self) -> None:
        """Wait for every member."""
        with self._recorder.collective(self.comm, "barrier"):
            self.mpi.Barrier()

    def send(self, value: object, to: int, what: str) -> None:
        """Hand a value to member `to`; ends when that one has taken it (a synchronous send)."""
        with self._recorder.send(self.comm, to, _tag(what), synchronous=True, what=what):
            self.mpi.ssend(value, to, _tag(what))

    def isend(self, value: object, to: int, what: str) -> PendingSend:
        """Begin to hand a value to member `to`. A large one moves only while this rank is inside MPI."""
        self._recorder.post_send(self.comm, to, _tag(what), what=what)
        return PendingSend(self.mpi.isend(value, to, _tag(what)))

    def recv(self, source: int, what: str) -> Any:
        """The next value that member `source` sends as `what`."""
        with self._recorder.recv(self.comm, source, _tag(what), what=what):
            return self.mpi.recv(source=source, tag=_tag(what))

    def abort(self, code: int) -> None:
        """End the job at once. Never comes back.

        MPI_Abort of MPICH does, more often than not: it only asks the launcher to kill everybody. What this rank wrote until
        then would be there or not by chance.
        """
        self.mpi.Abort(code)
        os._exit(code & 0xFF or 1)


class MpiCrashProbe:
    """A barrier that ranks enter when they have failed, without waiting in it; over a communicator of its own."""

    def __init__(self, comm: MpiCommunicator, recorder: Recorder) -> None:
        self._comm, self._recorder = comm, recorder
        self._request: Any = None

    def begin(self) -> None:
        """This rank has failed."""
        self._recorder.post(self._comm.comm, "ibarrier failed")
        self._request = self._comm.mpi.Ibarrier()

    def all_here(self) -> bool:
        """Whether all have."""
        return bool(self._request.Test())


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
