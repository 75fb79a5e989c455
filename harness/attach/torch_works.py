"""What torch.distributed returns for an operation that was issued: a Work. Waiting for it is what blocks."""

from __future__ import annotations

import weakref
from _thread import get_ident
from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from lockstep.harness.attach import cuda_graphs, recording
from lockstep.harness.attach.recording import Recording
from lockstep.harness.attach.shield import shielded
from lockstep.harness.attach.sites import call_site
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.handles import Comm


class Issued(NamedTuple):
    """An operation that was issued, as its wait needs to know it."""

    comm: Comm
    seq: int
    op: int  # string id
    need: Need
    peer: int
    tag: int


_issued: dict[int, tuple[weakref.ref[Any], Issued]] = {}
_last: dict[int, Issued] = {}  # thread -> what it issued last, for a Work that stands for several


def note(work: Any, comm: Comm, seq: int, op: int, need: Need, peer: int, tag: int) -> None:
    """Remember what a Work stands for, as long as the program keeps it."""
    issued = Issued(comm, seq, op, need, peer, tag)
    _last[get_ident()] = issued
    if work is not None:
        remember(work, issued)


def remember(work: Any, issued: Issued) -> None:
    """A Work (or a tensor of functional collectives) stands for an operation."""
    key = id(work)
    _issued[key] = (weakref.ref(work, lambda _: _issued.pop(key, None)), issued)


def issued_as(work: Any) -> Issued | None:
    """What a Work stands for; None for one that we have not seen."""
    found = _issued.get(id(work))
    return found[1] if found is not None and found[0]() is work else None


def last_issued() -> Issued | None:
    """What this thread issued last."""
    return _last.get(get_ident())


def waiting(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that waits for its first argument, recorded."""

    @shielded(original)
    def wait(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        issued = issued_as(self)
        if issued is None:
            return original(self, *arguments, **named)
        recording_ = recording.current()
        comm, seq, op, need, peer, tag = issued
        if (arguments or named) and need is not Need.NOBODY:
            need = Need.TIMED if need is not Need.RECV else Need.NOBODY  # it was told how long to wait
        recording_.enter(comm, seq, op, need, peer, tag, call_site(recording_.recorder))
        try:
            return original(self, *arguments, **named)
        finally:
            recording_.leave(comm, seq, op)

    return wait


def wrap(module: ModuleType) -> None:
    """Wrap the class Work."""
    recording.after_fork.append(_issued.clear)
    recording.after_fork.append(_last.clear)
    kind = module.Work
    kind.wait = waiting(kind.wait)
    future = kind.get_future

    @shielded(future)
    def get_future(future: Any, self: Any) -> Any:
        # What is attached to a future runs, and may communicate, on a thread that Python does not know until then.
        if issued_as(self) is not None:
            recording.opaque("a future of a collective was taken: code attached to it may communicate at any moment")
        return future(self)

    kind.get_future = get_future


def coalesced(original: Callable[..., Any]) -> Callable[..., Any]:
    """The Work of several operations issued together ends after the last of them."""

    @shielded(original)
    def end_coalescing(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        work = original(self, *arguments, **named)
        last = last_issued()
        if work is not None and last is not None:
            remember(work, last)
        return work

    return end_coalescing


def launched(recording_: Recording, comm: Comm, op: str, size: int) -> None:
    """A collective goes to the device: now, or whenever the graph that is being captured is replayed."""
    if not cuda_graphs.captured(comm, op, size):
        recording_.recorder.launch(comm, op, size)
