"""mpi4py: MPI_Init, the world, and every communicator that is made from it.

mpi4py's classes cannot be changed, so their names in `mpi4py.MPI` are given to subclasses, and the world's communicator is
replaced by one of them with the same handle. What is no method of theirs, or has no rule here, makes the process opaque.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lockstep.harness.attach import mpi_ops, mpi_requests, recording
from lockstep.harness.attach.mpi_class import transparent
from lockstep.harness.attach.recording import RANK_VARIABLES
from lockstep.harness.attach.shield import shielded
from lockstep.harness.attach.sites import call_site
from lockstep.harness.environment import WORLD_ID
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.handles import Comm

comms: dict[int, Comm] = {}  # handle -> communicator
_world: Comm | None = None
_module: Any = None


def before(module: Any) -> Callable[[], None] | None:
    """MPI_Init may run while mpi4py.MPI is imported. Returns what is to be done after it."""
    package = sys.modules.get("mpi4py")
    if package is not None and not getattr(package.rc, "initialize", True):
        return None  # the program calls MPI.Init itself
    return _enter_init()


def _enter_init() -> Callable[[], None] | None:
    global _world
    place = recording.expected_rank(RANK_VARIABLES)
    if place is None or _world is not None:
        return None
    rank, size = place
    recording.join(scope(), rank, size)
    found = recording.current()
    recorder = found.recorder
    _world = comm = recorder.comm("mpi", "world", range(size), scope=scope())
    seq, text = found.begin(comm, "init", -1, Need.COME, -1, call_site(recorder))
    return lambda: found.leave(comm, seq, text)


def scope() -> str:
    """The world of this launch: another mpiexec of the same program has another."""
    return "mpi " + (os.environ.get(WORLD_ID) or os.environ.get("PMIX_NAMESPACE") or str(os.getppid()))


def wrap(module: ModuleType) -> None:
    """Give the names of mpi4py.MPI to recorded subclasses."""
    global _module
    _module = module
    recording.after_fork.append(comms.clear)
    module.Request = mpi_requests.recorded_request(module.Request)  # type: ignore[attr-defined]
    original = module.Intracomm
    methods = {**_methods(original), "__reduce__": _reduce(original.__reduce__)}
    module.Intracomm = transparent(original, methods)  # type: ignore[attr-defined]
    module.Comm = transparent(module.Comm, {})  # type: ignore[attr-defined]
    for name in ("Init", "Init_thread"):
        _wrap_init(module, name)
    if module.Is_initialized():
        _replace_world(module)


def _wrap_init(module: Any, name: str) -> None:
    original = getattr(module, name)

    @shielded(original)
    def init(original: Any, *arguments: Any, **named: Any) -> Any:
        done = _enter_init()
        try:
            return original(*arguments, **named)
        finally:
            if done is not None:
                done()
            if module.Is_initialized():
                _replace_world(module)

    setattr(module, name, init)


def _replace_world(module: Any) -> None:
    """MPI.COMM_WORLD becomes a recorded communicator with the same handle."""
    global _world
    world = module.COMM_WORLD
    if type(world) is module.Intracomm:
        return
    if _world is None:
        rank, size = world.Get_rank(), world.Get_size()
        recording.join(scope(), rank, size)
        _world = recording.current().recorder.comm("mpi", "world", range(size), scope=scope())
    comms[handle(module, world)] = _world
    name, version = module.get_vendor()
    # What its operations do with one another is known of versions that were measured.
    recording.current().recorder.environment({"library:mpi": f"{name} {'.'.join(map(str, version))}"})
    module.COMM_WORLD = module.Intracomm(world)


def handle(module: Any, comm: Any) -> int:
    """MPI's own handle of a communicator."""
    return int(module._handleof(comm))


def known(comm: Any) -> Comm | None:
    """The communicator that a method is called on."""
    return comms.get(handle(_module, comm))


# --- methods ------------------------------------------------------------------------------------------------------


def _methods(original: type) -> dict[str, Callable[..., Any]]:
    found: dict[str, Callable[..., Any]] = {}
    for name in dir(original):
        method = getattr(original, name)
        if name.startswith("_") or not callable(method) or name in mpi_ops.HARMLESS:
            continue
        if name in mpi_ops.COLLECTIVES:
            found[name] = _collective(name, method)
        elif name in mpi_ops.MAKERS:
            found[name] = _maker(name, method)
        elif name in mpi_ops.SENDS:
            found[name] = _send(name, method)
        elif name in mpi_ops.RECEIVES:
            found[name] = _receive(name, method)
        elif name in mpi_ops.BOTH:
            found[name] = _both(name, method)
        elif name == "Abort":
            found[name] = _abort(method)
        else:
            found[name] = _unseen(name, method)
    return found


def _collective(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    operation = mpi_ops.COLLECTIVES[name]
    starts = name.startswith("I")

    @shielded(original)
    def method(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        comm = known(self)
        if comm is None:
            return original(self, *arguments, **named)
        found = recording.current()
        recorder = found.recorder
        root = named.get("root", arguments[operation.root] if 0 <= operation.root < len(arguments) else 0)
        need, peer = mpi_ops.needs(operation, root, self.Get_rank(), arguments, named)
        site, size = call_site(recorder), mpi_ops.size(operation, arguments)
        if starts:
            seq = recorder.post(comm, operation.name, size, need, peer, site)
            text = recorder.string(operation.name)
            return mpi_requests.note(_checked(name, original, self, arguments, named), comm, seq, text, need, peer, 0)
        seq, text = found.begin(comm, operation.name, size, need, peer, site)
        try:
            return _checked(name, original, self, arguments, named)
        finally:
            found.leave(comm, seq, text)

    return method


def _maker(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """A collective that makes a communicator. Its name is the place of its making, the same on every member."""

    @shielded(original)
    def method(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        comm = known(self)
        if comm is None:
            return original(self, *arguments, **named)
        found = recording.current()
        recorder = found.recorder
        site = call_site(recorder)
        seq, text = found.begin(comm, mpi_ops.MAKERS[name], -1, Need.ALL, -1, site)
        try:
            made = _checked(name, original, self, arguments, named)
        finally:
            found.leave(comm, seq, text)
        return adopt(made, f"{comm.key.partition(':')[2]}.{mpi_ops.MAKERS[name]}{seq}")

    return method


def adopt(made: Any, name: str) -> Any:
    """A new communicator, announced and recorded; as it is where this process is no member."""
    if made == _module.COMM_NULL:
        return made
    world = _module.COMM_WORLD.Get_group()
    group = made.Get_group()
    members = group.Translate_ranks(list(range(group.Get_size())), world)
    comms[handle(_module, made)] = recording.current().recorder.comm("mpi", name, members, scope=scope())
    return made if type(made) is _module.Intracomm else _module.Intracomm(made)


def _send(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    starts = name[0] in "iI"
    # Only a synchronous send is sure to wait; the others may be buffered.
    need = Need.SSEND if "ssend" in name.lower() else Need.NOBODY

    @shielded(original)
    def method(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        comm = known(self)
        dest = named.get("dest", arguments[1] if len(arguments) > 1 else -1)
        if comm is None or not isinstance(dest, int) or dest < 0:
            return original(self, *arguments, **named)
        tag = named.get("tag", arguments[2] if len(arguments) > 2 else 0)
        found = recording.current()
        recorder = found.recorder
        site = call_site(recorder)
        if starts:
            seq, text = recorder.post_p2p(comm, "send", need, dest, tag, -1, site), recorder.string("send")
            return mpi_requests.note(_checked(name, original, self, arguments, named), comm, seq, text, need, dest, tag)
        seq, text = found.begin_p2p(comm, "send", need, dest, tag, site)
        try:
            return _checked(name, original, self, arguments, named)
        finally:
            found.leave(comm, seq, text)

    return method


def _receive(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    starts = name[0] in "iI"
    any_source, any_tag = -1, -1

    @shielded(original)
    def method(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        comm = known(self)
        source = named.get("source", arguments[1] if len(arguments) > 1 else _module.ANY_SOURCE)
        if comm is None or source == _module.PROC_NULL:
            return original(self, *arguments, **named)
        tag = named.get("tag", arguments[2] if len(arguments) > 2 else _module.ANY_TAG)
        peer = any_source if source == _module.ANY_SOURCE else source
        tag = any_tag if tag == _module.ANY_TAG else tag
        found = recording.current()
        recorder = found.recorder
        site = call_site(recorder)
        if starts:
            seq, text = recorder.post_p2p(comm, "recv", Need.RECV, peer, tag, -1, site), recorder.string("recv")
            return mpi_requests.note(_checked(name, original, self, arguments, named), comm, seq, text, Need.RECV, peer, tag)
        seq, text = found.begin_p2p(comm, "recv", Need.RECV, peer, tag, site)
        try:
            return _checked(name, original, self, arguments, named)
        finally:
            found.leave(comm, seq, text)

    return method


def _both(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    """Sendrecv: the send is posted, the receive is what surely waits."""
    names = mpi_ops.BOTH[name]

    @shielded(original)
    def method(original: Any, self: Any, *arguments: Any, **named: Any) -> Any:
        comm = known(self)
        given = {**dict(zip(names, arguments, strict=False)), **named}
        dest, source = given.get("dest", -1), given.get("source", _module.ANY_SOURCE)
        if comm is None or source == _module.PROC_NULL or dest == _module.PROC_NULL:
            if comm is not None:
                recording.opaque(f"{name} with PROC_NULL")
            return original(self, *arguments, **named)
        found = recording.current()
        recorder = found.recorder
        site = call_site(recorder)
        recorder.post_p2p(comm, "send", Need.NOBODY, dest, given.get("sendtag", 0), -1, site)
        peer = -1 if source == _module.ANY_SOURCE else source
        tag = given.get("recvtag", _module.ANY_TAG)
        tag = -1 if tag == _module.ANY_TAG else tag
        seq, text = found.begin_p2p(comm, "recv", Need.RECV, peer, tag, site)
        try:
            return _checked(name, original, self, arguments, named)
        finally:
            found.leave(comm, seq, text)

    return method


def _abort(original: Callable[..., Any]) -> Callable[..., Any]:
    @shielded(original)
    def method(original: Any, self: Any, errorcode: int = 0) -> Any:
        found = recording.existing()
        if found is not None:
            found.recorder.abort(errorcode)
        return original(self, errorcode)

    return method


def _reduce(original: Callable[..., Any]) -> Callable[..., Any]:
    """The world is pickled by its name, as mpi4py does with its own."""

    def reduce(self: Any) -> Any:
        return "COMM_WORLD" if self is _module.COMM_WORLD else original(self)

    return reduce


def _unseen(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @shielded(original)
    def method(original: Any, *arguments: Any, **named: Any) -> Any:
        recording.opaque(f"MPI's {name} writes no events")
        return original(*arguments, **named)

    return method


def _checked(name: str, original: Callable[..., Any], comm: Any, arguments: Any, named: Any) -> Any:
    """Call it. Where it raises nobody knows whether the others will count it."""
    try:
        return original(comm, *arguments, **named)
    except BaseException:
        recording.opaque(f"MPI's {name} raised")
        raise
