"""The messages of mpi4py's communicators, counted exactly: what a receive with an open end has taken, its Status tells."""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any, NamedTuple

from lockstep.harness.attach import mpi_ops, mpi_requests, recording
from lockstep.harness.attach.calls import Again, Issued, Waiting
from lockstep.harness.attach.class_methods import Function
from lockstep.harness.attach.mpi_comms import comms
from lockstep.harness.attach.recorded import Call, recorded
from lockstep.harness.attach.sites import call_site
from lockstep.harness.trace.event import Need, Took
from lockstep.harness.trace.handles import Comm

Wrapper = Callable[[Function], Function]
OPEN = -1  # any source, any tag


class Message(NamedTuple):
    """What a call asks for."""

    comm: Comm
    peer: int
    tag: int


def send(name: str) -> Wrapper:
    """Only a synchronous one is sure to wait; the others may be buffered."""
    need = Need.SSEND if "ssend" in name.lower() else Need.NOBODY

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        to = _to(arguments[0], _bound(mpi_ops.SEND, arguments, named), "dest", "tag")
        if to is None:
            return None
        return _begin(name, "send", Need.NOBODY if to.comm.unordered else need, to)

    return lambda original: recorded(original, prepare)


def receive(name: str) -> Wrapper:
    """A receive; where it leaves its end open, its Status is read."""

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        given = _bound(mpi_ops.RECEIVE, arguments, named)
        asked = _from(arguments[0], given, "source", "tag")
        if asked is None:
            return None
        status = None if mpi_ops.starts(name) else _status(asked, given, len(arguments) > len(mpi_ops.RECEIVE), named)
        return _begin(name, "recv", Need.RECV, asked, status)

    return lambda original: recorded(original, prepare)


def both(name: str) -> Wrapper:
    """The send is counted, the receive is what surely waits. At a border one of the two is left out, or both are."""
    names = mpi_ops.BOTH[name]

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        given = _bound(names, arguments, named)
        to, asked = _to(arguments[0], given, "dest", "sendtag"), _from(arguments[0], given, "source", "recvtag")
        if asked is None:
            return _begin(name, "send", Need.NOBODY, to) if to is not None else None
        found = recording.current()
        if to is not None:
            found.start_message(to.comm, "send", Need.NOBODY, to.peer, to.tag, call_site(found.recorder))
        status = None if mpi_ops.starts(name) else _status(asked, given, len(arguments) > len(names), named)
        return _begin(name, "recv", Need.RECV, asked, status)

    return lambda original: recorded(original, prepare)


def probe(name: str) -> Wrapper:
    """One that waits, and one that takes the message out of sight of every receive."""
    takes = "m" in name.lower()
    waits = not name.lower().startswith("i")

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        given = _bound(mpi_ops.PROBE, arguments, named)
        asked = _from(arguments[0], given, "source", "tag")
        if asked is None:
            return None
        found = recording.current()
        issued = Issued(asked.comm, 0, found.recorder.string("probe"), Need.PROBE, asked.peer, asked.tag)
        status = _status(asked, given, len(arguments) > len(mpi_ops.PROBE), named, always=True) if takes else None
        if waits:
            return Probing(found, issued, status, call_site(found.recorder))
        return Looking(found, issued, status)

    return lambda original: recorded(original, prepare)


class Receiving(Waiting):
    """A receive that blocks."""

    __slots__ = ("status",)

    def __init__(self, found: recording.Recording, issued: Issued, status: Any) -> None:
        super().__init__(found, issued)
        self.status = status

    def ended(self, result: Any) -> None:
        """It has taken a message."""
        self.recording.release(self.issued)
        took = mpi_requests.taken(self.issued, self.status)
        self.recording.leave(self.issued, *(took or ()))


class Looking:
    """A probe that takes a message if one is there."""

    def __init__(self, found: recording.Recording, issued: Issued, status: Any) -> None:
        self.recording, self.issued, self.status = found, issued, status

    def ended(self, result: Any) -> None:
        """It has looked."""
        if result is not None and self.status is not None:
            self.recording.took(self.issued, Took.PROBED, self.status.Get_source(), self.status.Get_tag())

    def failed(self, error: BaseException) -> None:
        """Nothing was taken."""


class Probing(Again):
    """A probe that waits."""

    __slots__ = ("status",)

    def __init__(self, found: recording.Recording, issued: Issued, status: Any, site: int) -> None:
        found.enter(issued, site)
        super().__init__(found, issued)
        self.status = status

    def ended(self, result: Any) -> None:
        """A message is there."""
        Looking(self.recording, self.issued, self.status).ended(result)
        super().ended(result)


# --- what a call says ---------------------------------------------------------------------------------------------


def _bound(names: tuple[str, ...], arguments: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    return {**dict(zip(names, arguments[1:], strict=False)), **named}


def _to(self: Any, given: dict[str, Any], dest: str, tag: str) -> Message | None:
    """Whereto; None where it goes to nobody, or MPI will say that there is no such rank."""
    comm, peer = comms.known(self), index(given[dest])
    if comm is None or not 0 <= peer < len(comm.members):
        return None
    return Message(comm, peer, index(given.get(tag, 0)))


def _from(self: Any, given: dict[str, Any], source: str, tag: str) -> Message | None:
    """Wherefrom; None where it comes from nobody, or MPI will say that there is no such rank."""
    comm, module = comms.known(self), comms.module
    peer, label = index(given.get(source, module.ANY_SOURCE)), index(given.get(tag, module.ANY_TAG))
    anybody = peer == module.ANY_SOURCE  # its number may be that of nobody in another MPI
    if comm is None or not (anybody or 0 <= peer < len(comm.members)):
        return None
    peer = OPEN if anybody else peer
    return Message(comm, peer, OPEN if label == module.ANY_TAG else label)


def _status(asked: Message, given: dict[str, Any], placed: bool, named: dict[str, Any], always: bool = False) -> Any:
    """The Status that will tell what was taken: the program's, or one that we add."""
    status = given.get("status")
    if status is None and not placed and (always or OPEN in (asked.peer, asked.tag)):
        status = named["status"] = comms.module.Status()
    return status


def _begin(name: str, op: str, need: Need, message: Message, status: Any = None) -> Call:
    found = recording.current()
    what = (message.comm, op, need, message.peer, message.tag, call_site(found.recorder))
    if name.endswith("_init"):
        return mpi_requests.Persistent(lambda: found.start_message(*what))
    if mpi_ops.starts(name):
        return mpi_requests.Starting(found, found.start_message(*what))
    issued = found.message(*what)
    if op == "recv":
        return Receiving(found, issued, status)
    return Waiting(found, issued)
