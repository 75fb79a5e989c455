"""The collectives of mpi4py's communicators, those that make communicators among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lockstep.harness.attach import mpi_ops, mpi_requests, recording
from lockstep.harness.attach.calls import Waiting
from lockstep.harness.attach.class_methods import Function
from lockstep.harness.attach.mpi_comms import comms
from lockstep.harness.attach.recorded import Call, recorded
from lockstep.harness.attach.sites import call_site
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.handles import Comm

Wrapper = Callable[[Function], Function]


def collective(name: str) -> Wrapper:
    """One that moves data, or none: at once, started, or to be started again and again."""
    operation = mpi_ops.COLLECTIVES[name]

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        self, *given = arguments
        comm = comms.known(self)
        if comm is None:
            return None
        root = mpi_ops.root_of(operation, tuple(given), named)
        if root >= len(comm.members):
            return None  # MPI says what is wrong with it, and nobody counts it
        need, root = mpi_ops.needs(operation, root, self.Get_rank(), tuple(given), named)
        found = recording.current()
        what = (comm, operation.name, mpi_ops.size(operation, tuple(given)), need, root, call_site(found.recorder))
        if name in mpi_ops.PERSISTENT:
            return mpi_requests.Persistent(lambda: found.start(*what))
        if name in mpi_ops.STARTING:
            return mpi_requests.Starting(found, found.start(*what))
        return Waiting(found, found.collective(*what))

    return lambda original: recorded(original, prepare)


class Making(Waiting):
    """A collective that makes a communicator. Its name is the place of its making, the same on every member."""

    __slots__ = ()

    def ended(self, result: Any) -> None:
        """It was made."""
        super().ended(result)
        what = self.recording.recorder.text(self.issued.op)
        comms.adopt(result, f"{_name(self.issued.comm)}.{what}{self.issued.seq}")


def maker(name: str) -> Wrapper:
    """One in which all members of the old communicator take part."""

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        comm = comms.known(arguments[0])
        if comm is None:
            return None
        found = recording.current()
        return Making(found, found.collective(comm, mpi_ops.MAKERS[name], -1, Need.ALL, -1, call_site(found.recorder)))

    return lambda original: recorded(original, prepare)


def group_maker(name: str) -> Wrapper:
    """One in which the members of a group take part only: no known wait, and the old communicator does not count it."""

    class Grouping:
        def __init__(self, comm: Comm, tag: Any) -> None:
            self.name = f"{_name(comm)}.group{tag}"

        def ended(self, result: Any) -> None:
            comms.adopt(result, self.name, several=True)

        def failed(self, error: BaseException) -> None:
            return

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        comm = comms.known(arguments[0])
        return Grouping(comm, named.get("tag", arguments[2] if len(arguments) > 2 else 0)) if comm is not None else None

    return lambda original: recorded(original, prepare)


def releasing(name: str) -> Wrapper:
    """Its handle may be given to another communicator from now on."""

    class Releasing:
        def __init__(self, handle: int) -> None:
            self.handle = handle

        def ended(self, result: Any) -> None:
            comms.forget(self.handle)

        def failed(self, error: BaseException) -> None:
            return

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        self = arguments[0]
        kept = name == "free" and self in (
            comms.module.COMM_WORLD,
            comms.module.COMM_SELF,
        )  # that spares the predefined ones
        return None if kept or comms.known(self) is None else Releasing(comms.handle(self))

    return lambda original: recorded(original, prepare)


def _name(comm: Comm) -> str:
    return comm.key.partition(":")[2]
