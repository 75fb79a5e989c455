"""mpi4py's requests: waiting for one is what blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lockstep.harness.attach import recording
from lockstep.harness.attach.mpi_class import transparent
from lockstep.harness.attach.shield import shielded
from lockstep.harness.attach.sites import call_site
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.handles import Comm

Issued = tuple[Comm, int, int, Need, int, int]
_kind: Any = None
_all = ("waitall", "Waitall")


def recorded_request(original: Any) -> Any:
    """The subclass that stands for MPI.Request."""
    global _kind
    methods: dict[str, Any] = {name: _wait(getattr(original, name)) for name in ("wait", "Wait")}
    methods |= {name: classmethod(_wait_all(getattr(original, name))) for name in _all}
    _kind = transparent(original, methods)
    return _kind


def note(request: Any, comm: Comm, seq: int, op: int, need: Need, peer: int, tag: int) -> Any:
    """The request, as one that remembers what it stands for."""
    if _kind is None or type(request).__name__ != "Request":
        return request
    found = _kind(request)
    found.issued = (comm, seq, op, need, peer, tag)
    return found


def _wait(original: Callable[..., Any]) -> Callable[..., Any]:
    @shielded(original)
    def wait(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        issued: Issued | None = getattr(self, "issued", None)
        if issued is None:
            return original(self, *arguments, **named)
        found = recording.current()
        comm, seq, op, need, peer, tag = issued
        found.enter(comm, seq, op, need, peer, tag, call_site(found.recorder))
        try:
            return original(self, *arguments, **named)
        finally:
            found.leave(comm, seq, op)

    return wait


def _wait_all(original: Callable[..., Any]) -> Callable[..., Any]:
    """All of them must end: it is enough to wait for the last that surely waits."""

    @shielded(original)
    def wait_all(original: Any, cls: Any, requests: Any, *arguments: Any, **named: Any) -> Any:
        requests = list(requests)
        listed = [issued for request in requests if (issued := getattr(request, "issued", None)) is not None]
        sure = [issued for issued in listed if issued[3] is not Need.NOBODY] or listed
        if not sure:
            return original(requests, *arguments, **named)
        found = recording.current()
        comm, seq, op, need, peer, tag = sure[-1]
        found.enter(comm, seq, op, need, peer, tag, call_site(found.recorder))
        try:
            return original(requests, *arguments, **named)
        finally:
            found.leave(comm, seq, op)

    return wait_all
