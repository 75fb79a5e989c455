"""What torch.distributed returns for an operation that was issued: a Work. Waiting for it is what blocks."""

from __future__ import annotations

import math
import sys
import weakref
from _thread import get_ident
from collections.abc import Callable
from datetime import timedelta
from types import ModuleType
from typing import Any

from lockstep.harness.attach import device_work, recording
from lockstep.harness.attach.calls import Again, Issued
from lockstep.harness.attach.recorded import Call, recorded
from lockstep.harness.attach.sites import call_site
from lockstep.harness.attach.torch_groups import sooner
from lockstep.harness.trace.event import Need, Took

_issued: dict[int, tuple[weakref.ref[Any], Issued]] = {}
_last: dict[int, Issued] = {}  # thread -> what it issued last, for a Work that stands for several


def note(work: Any, issued: Issued) -> None:
    """Remember what a Work stands for, as long as the program keeps it."""
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


class Receiving(Again):
    """A wait for a message."""

    __slots__ = ("work",)
    work: Any

    def ended(self, result: Any) -> None:
        """It has come. Who waits for the same Work again waits for nothing more."""
        _issued.pop(id(self.work), None)
        if min(self.issued.peer, self.issued.tag) >= 0:
            self.recording.leave(self.issued, Took.NAMED, self.issued.peer, self.issued.tag)
            return
        source = self.work._source_rank() if hasattr(self.work, "_source_rank") else -1
        if 0 <= source < len(self.issued.comm.members):
            self.recording.leave(self.issued, Took.WILD, source, self.issued.tag)
        else:
            self.recording.leave(self.issued)


class Ordering:
    """A wait for what runs on a GPU: it holds up the current stream."""

    def __init__(self, issued: Issued) -> None:
        self.issued = issued

    def ended(self, result: Any) -> None:
        """The stream goes on after it."""
        device_work.order(current_stream(self.issued.gpu), self.issued)

    def failed(self, error: BaseException) -> None:
        """It was not ordered."""


def waiting(original: Callable[..., Any]) -> Callable[..., Any]:
    """A function that waits for its first argument, recorded."""

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        issued = issued_as(arguments[0])
        if issued is None:
            return None
        if issued.gpu >= 0:
            return Ordering(issued) if issued.need is Need.ALL else None
        found = recording.current()
        received = issued.need is not Need.NOBODY and issued.op in found.messages
        told = (*arguments[1:], *named.values())
        if told and issued.need is not Need.NOBODY:
            limit = math.ceil(told[0].total_seconds()) if isinstance(told[0], timedelta) else 0
            limit = sooner(limit, issued.limit_s) if limit else 0  # it was told how long to wait
            found.enter(issued._replace(need=Need.TIMED, limit_s=limit), call_site(found.recorder))
        else:
            found.enter(issued, call_site(found.recorder))
        if not received:
            return Again(found, issued)
        call = Receiving(found, issued)
        call.work = arguments[0]
        return call

    return recorded(original, prepare)


def wrap(module: ModuleType) -> None:
    """Wrap the class Work."""
    recording.after_fork += (_issued.clear, _last.clear)
    kind = module.Work
    kind.wait = waiting(kind.wait)
    kind.get_future = recorded(kind.get_future, _future_taken)


def _future_taken(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
    """What is attached to a future runs, and may communicate, on a thread that Python does not know until then."""
    if issued_as(arguments[0]) is not None:
        recording.opaque("a future of a collective was taken: code attached to it may communicate at any moment")


class Coalescing:
    """The Work of several operations issued together ends after the last of them."""

    def __init__(self, over: Callable[[], None]) -> None:
        self.over = over

    def ended(self, result: Any) -> None:
        """They were issued."""
        self.over()
        last = last_issued()
        if result is not None and last is not None:
            remember(result, last)

    def failed(self, error: BaseException) -> None:
        """Which of them were issued is not known."""
        self.over()
        recording.opaque("operations that were to be issued together raised")


def coalesced(original: Callable[..., Any], over: Callable[[Any], None]) -> Callable[..., Any]:
    """A function that issues several operations together. `over` is told its group when it has."""
    return recorded(original, lambda arguments, named: Coalescing(lambda: over(arguments[0])))


def current_stream(gpu: int) -> device_work.Stream:
    """What is handed to a GPU now goes to this stream."""
    return gpu, int(sys.modules["torch"].cuda.current_stream(gpu).stream_id)
