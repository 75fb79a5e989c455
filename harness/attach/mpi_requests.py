"""mpi4py's requests: waiting for one, or several, is what blocks; what they received is counted when they have ended."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from lockstep.harness.attach import recording
from lockstep.harness.attach.calls import Again, Issued, Issuing
from lockstep.harness.attach.class_methods import Function, replace
from lockstep.harness.attach.mpi_comms import comms
from lockstep.harness.attach.recorded import Call, recorded
from lockstep.harness.attach.sites import call_site
from lockstep.harness.trace.event import Kind, Need, Took

MOST = 64  # of a wait for several: the parts that are written down

_issued: dict[int, tuple[weakref.ref[Any], Issued]] = {}
_dropped: list[Issued] = []  # requests that are gone, and nobody has waited for them
_starters: dict[int, tuple[weakref.ref[Any], Callable[[], Issued]]] = {}
_cancelling: dict[int, tuple[weakref.ref[Any], bool]] = {}


def wrap(module: Any) -> None:
    """Replace the methods of Request and Prequest."""
    recording.after_fork += (_issued.clear, _starters.clear, _cancelling.clear, _dropped.clear)
    for name in ("Free", "free"):
        if hasattr(module.Request, name):
            replace(module.Request, name, _free)
    for name in ("wait", "Wait", "test", "Test"):
        replace(module.Request, name, _one(name))
        for several, which in (("any", _any), ("all", _all), ("some", _some)):
            replace(module.Request, name + several, which(name + several))
    for name in ("Cancel", "cancel"):
        replace(module.Request, name, _cancel)
    replace(module.Prequest, "Start", _start)
    replace(module.Prequest, "Startall", _start_all)


# --- what a request stands for ------------------------------------------------------------------------------------


class Starting(Issuing):
    """A call that returns a request."""

    __slots__ = ()

    def ended(self, result: Any) -> None:
        """The request stands for the operation."""
        super().ended(result)
        _note(_issued, result, self.issued)


class Persistent:
    """A call that returns a request which can be started many times."""

    def __init__(self, start: Callable[[], Issued]) -> None:
        self.start = start

    def ended(self, result: Any) -> None:
        """The request knows what to write when it is started."""
        _note(_starters, result, self.start)

    def failed(self, error: BaseException) -> None:
        """There is none."""


def _note(table: dict[int, tuple[weakref.ref[Any], Any]], request: Any, what: Any) -> None:
    key = id(request)

    def gone(_: object) -> None:
        if table.pop(key, None) is not None and table is _issued and len(_dropped) < MOST:
            _dropped.append(what)

    table[key] = (weakref.ref(request, gone), what)


def left() -> None:
    """Tell of the requests that the program has begun and never waited for. Those that it has freed are none."""
    recorder = recording.current().recorder
    kept = [issued for request, issued in list(_issued.values()) if request() is not None]
    for comm, seq, op, need, peer, tag, *_ in [*_dropped, *kept][:MOST]:
        recorder.write(Kind.LEFT, comm.id, seq, op, need, peer, tag)


def _known(table: dict[int, tuple[weakref.ref[Any], Any]], request: Any) -> Any:
    found = table.get(id(request))
    return found[1] if found is not None and found[0]() is request else None


def taken(issued: Issued, status: Any) -> tuple[Took, int, int] | None:
    """The message that a receive has taken: its kind, sender and tag; None where that is not known."""
    if not issued.open:
        return Took.NAMED, issued.peer, issued.tag
    if status is None or not 0 <= (source := status.Get_source()) < len(issued.comm.members):
        return None
    return Took.WILD, source, status.Get_tag()


def _completed(request: Any, status: Any) -> None:
    """A request has ended."""
    issued: Issued | None = _known(_issued, request)
    if issued is None:
        return
    _issued.pop(id(request), None)
    if issued.need is not Need.RECV:
        return
    found = recording.current()
    if _known(_cancelling, request):
        _cancelling.pop(id(request), None)
        if status is None or status.Is_cancelled():
            return
        found.cancel(issued, done=False)
    if (took := taken(issued, status)) is not None:
        found.took(issued, *took)


# --- waits --------------------------------------------------------------------------------------------------------


class Completing:
    """A call after which some requests have ended: `which` says so from its result, `statuses` are theirs, in that order."""

    def __init__(
        self, requests: Sequence[Any], which: Callable[[Any], Sequence[int]], statuses: Any, wait: Again | None
    ) -> None:
        self.requests, self.which, self.statuses, self.wait = requests, which, statuses, wait

    def ended(self, result: Any) -> None:
        """What they have received is told before the wait's own end, while nothing of this rank moves."""
        try:
            indices = self.which(result)
            listed = self.statuses if isinstance(self.statuses, list) else [self.statuses]
            for place, at in enumerate(indices):
                _completed(self.requests[at], listed[place] if place < len(listed) else None)
        finally:
            if self.wait is not None:
                self.wait.ended(result)

    def failed(self, error: BaseException) -> None:
        """Which of them have ended is not known: what they took is not counted, which is on the safe side."""
        for request in self.requests:
            _issued.pop(id(request), None)
        if self.wait is not None:
            self.wait.failed(error)


def _one(name: str) -> Callable[[Function], Function]:
    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        request = arguments[0]
        if _known(_issued, request) is None:
            return None
        status = _ask("status", request, arguments, named, comms.module.Status)
        if name.lower() == "wait":
            return Completing([request], lambda result: [0], status, _wait([request], "", Need.EVERY))
        ended = lambda result: [0] if (result[0] if isinstance(result, tuple) else result) else []  # noqa: E731
        return Completing([request], ended, status, None)

    return lambda original: recorded(original, prepare)


def _any(name: str) -> Callable[[Function], Function]:
    waits = name.lower() == "waitany"

    def ended(result: Any) -> list[int]:
        at, done = (result[0] if isinstance(result, tuple) else result), waits or result[1]
        return [at] if done and at >= 0 else []

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        requests = _requests(arguments, named)
        status = _ask("status", requests, arguments, named, comms.module.Status)
        return Completing(requests, ended, status, _wait(requests, name.lower(), Need.EITHER) if waits else None)

    return lambda original: recorded(original, prepare)


def _all(name: str) -> Callable[[Function], Function]:
    waits = name.lower() == "waitall"

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        requests = _requests(arguments, named)
        statuses = _ask("statuses", requests, arguments, named, list)

        def ended(result: Any) -> Sequence[int]:
            done = waits or (result[0] if isinstance(result, tuple) else result)
            return range(len(requests)) if done else ()

        return Completing(requests, ended, statuses, _wait(requests, name.lower(), Need.EVERY) if waits else None)

    return lambda original: recorded(original, prepare)


def _some(name: str) -> Callable[[Function], Function]:
    waits = name.lower() == "waitsome"

    def ended(result: Any) -> Sequence[int]:
        found = result[0] if isinstance(result, tuple) else result
        return found or ()

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> Call | None:
        requests = _requests(arguments, named)
        statuses = _ask("statuses", requests, arguments, named, list)
        return Completing(requests, ended, statuses, _wait(requests, name.lower(), Need.EITHER) if waits else None)

    return lambda original: recorded(original, prepare)


def _requests(arguments: tuple[Any, ...], named: dict[str, Any]) -> list[Any]:
    return list(named.get("requests", arguments[1] if len(arguments) > 1 else ()))


def _ask(name: str, about: Any, arguments: tuple[Any, ...], named: dict[str, Any], make: Callable[[], Any]) -> Any:
    """The program's Status, or its list of them; one that we add where only a Status tells what was taken."""
    place = 1 if name == "status" and not isinstance(about, list) else 2
    given = named.get(name, arguments[place] if len(arguments) > place else None)
    if (
        given is None
        and len(arguments) <= place
        and any(_is_open(one) for one in (about if isinstance(about, list) else [about]))
    ):
        given = named[name] = make()
    return given


def _is_open(request: Any) -> bool:
    issued: Issued | None = _known(_issued, request)
    return (issued is not None and issued.open) or bool(_known(_cancelling, request))


def _wait(requests: Sequence[Any], name: str, need: Need) -> Again | None:
    """The wait for all of them, of which it is enough to know some; or for any, of which all must be known."""
    listed = [_known(_issued, request) for request in requests if request != comms.module.REQUEST_NULL]
    sure = [issued for issued in listed if issued is not None and issued.need is not Need.NOBODY]
    found = recording.current()
    if need is Need.EITHER and (len(sure) != len(listed) or len(sure) > MOST):
        return None
    if not sure:
        known = [issued for issued in listed if issued is not None]
        return found.again(known[-1], call_site(found.recorder)) if known else None
    if len(sure) == 1:
        return found.again(sure[0], call_site(found.recorder))
    return found.several(name, need, sure[-MOST:], call_site(found.recorder))


# --- taken back, started again ------------------------------------------------------------------------------------


def _cancel(original: Function) -> Function:
    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        issued = _known(_issued, arguments[0])
        if issued is not None and issued.need is Need.RECV and not _known(_cancelling, arguments[0]):
            _note(_cancelling, arguments[0], True)
            recording.current().cancel(issued, done=True)  # until it ends nobody knows: it may take none

    return recorded(original, prepare)


def _free(original: Function) -> Function:
    """The program wants to know no more of it: MPI ends it when it is done."""
    return recorded(original, lambda arguments, named: _issued.pop(id(arguments[0]), None) and None)


class Restarting:
    """Requests that are started again."""

    def __init__(self, requests: Sequence[Any]) -> None:
        self.begun = [(request, start()) for request in requests if (start := _known(_starters, request)) is not None]

    def ended(self, result: Any) -> None:
        """They stand for new operations."""
        for request, issued in self.begun:
            _note(_issued, request, issued)

    def failed(self, error: BaseException) -> None:
        """Which of them were started is not known."""
        for _, issued in self.begun:
            recording.current().doubt(issued.op, error)


def _start(original: Function) -> Function:
    return recorded(original, lambda arguments, named: Restarting(arguments[:1]))


def _start_all(original: Function) -> Function:
    return recorded(original, lambda arguments, named: Restarting(_requests(arguments, named)))
