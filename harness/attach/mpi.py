"""mpi4py: MPI_Init, the world, every communicator that is made from it, and what lets one of them out of Python.

The methods of mpi4py's own classes are replaced in place, so that whoever calls them, on whatever object, comes by here. A
communicator is known by MPI's handle. What is called on one that is not known is no wait, and counts nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from lockstep.harness.attach import ending, mpi_finalize, mpi_ops, mpi_requests, native, recording
from lockstep.harness.attach.calls import Waiting
from lockstep.harness.attach.class_methods import Function, replace
from lockstep.harness.attach.mpi_collectives import collective, group_maker, maker, releasing
from lockstep.harness.attach.mpi_comms import comms, is_spawned, scope
from lockstep.harness.attach.mpi_messages import both, probe, receive, send
from lockstep.harness.attach.recorded import recorded
from lockstep.harness.attach.recording import RANK_VARIABLES
from lockstep.harness.attach.sites import call_site
from lockstep.harness.environment import NATIVE
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.handles import Comm

_world: Comm | None = None


def before(module: Any) -> Callable[[], None] | None:
    """MPI_Init may run while mpi4py.MPI is imported. Returns what is to be done after it."""
    if native.find() is not None:
        recording.current().listen()  # MPI_Init may not come back
        return None
    package = sys.modules.get("mpi4py")
    if package is not None and not getattr(package.rc, "initialize", True):
        return None  # the program calls MPI.Init itself
    call = _enter_init()
    return None if call is None else lambda: call.ended(None)


def _enter_init() -> Waiting | None:
    global _world
    place = recording.expected_rank(RANK_VARIABLES)
    if place is None or _world is not None:
        return None
    rank, size = place
    _note_spawned()
    recording.join(scope(), rank, size)
    found = recording.current()
    _world = found.recorder.comm("mpi", "world", range(size), scope=scope())
    return Waiting(found, found.collective(_world, "init", -1, Need.COME, -1, call_site(found.recorder)))


def wrap(module: Any) -> None:
    """Replace what mpi4py.MPI holds, where its calls are not recorded below it."""
    below = native.find()
    if below is not None and recording.current().native is not None:
        if below.answers(module.Is_initialized):
            recording.current().listen()
            ending.last_calls.append(below.finalizing)
            for kind in (module.Comm, module.Win):
                replace(kind, "Create_keyval", _calling_back)
            return
        recording.opaque("MPI is not recorded at its profiling interface: its calls do not come by there")
    recording.after_fork.append(comms.clear)
    comms.module = module
    kinds = [getattr(module, name) for name in ("Comm", "Intracomm", "Topocomm", "Cartcomm", "Intercomm")]
    for kind in kinds:
        for names, wrapper in _WRAPPERS:
            for name in names:
                replace(kind, name, wrapper(name))
    mpi_requests.wrap(module)
    for kind in (module.Comm, module.Request):
        for name in ("py2f", "toint"):
            replace(kind, name, _leaving(f"{kind.__name__}.{name}"))
        replace(kind, "handle", _handle)
    for name in ("_handleof", "_addressof"):
        setattr(module, name, _leaving(name)(getattr(module, name)))
    _watch_interface(module)
    if hasattr(module, "_set_abort_status"):
        _watch_abort_status(module)
    for name in ("Init", "Init_thread"):
        _wrap_init(module, name)
    mpi_finalize.wrap(module)
    if module.Is_initialized():
        _know_world(module)


def _wrap_init(module: Any, name: str) -> None:
    """The program may call it itself. Whatever comes of it, the world is known as soon as there is one."""

    class Initializing:
        def __init__(self) -> None:
            self.call = _enter_init()

        def ended(self, result: Any) -> None:
            if self.call is not None:
                self.call.ended(result)
            if module.Is_initialized():
                _know_world(module)

        def failed(self, error: BaseException) -> None:
            self.ended(None)

    setattr(module, name, recorded(getattr(module, name), lambda arguments, named: Initializing()))


def _note_spawned() -> None:
    if is_spawned():
        recording.opaque("it was spawned by ranks: whose world it is in is not known")


def _know_world(module: Any) -> None:
    global _world
    world = module.COMM_WORLD
    if _world is None:
        rank, size = world.Get_rank(), world.Get_size()
        _note_spawned()
        recording.join(scope(), rank, size)
        _world = recording.current().recorder.comm("mpi", "world", range(size), scope=scope())
    comms.add(world, _world)
    mpi_finalize.announce(module, _world)
    recording.current().ending.leftovers[:] = (mpi_requests.left, comms.left)
    name, version = module.get_vendor()
    # What its operations do with one another is known of versions that were measured.
    facts = {"library:mpi": f"{name} {'.'.join(map(str, version))}", "recorder:mpi": "in Python"}
    if why := os.environ.get(NATIVE):
        facts["recorder:mpi"] += f", since the native one could not be built: {why}"
    recording.current().recorder.environment(facts)


# --- what leaves Python -------------------------------------------------------------------------------------------


def _leaving(what: str) -> Callable[[Function], Function]:
    """A handle that is given away may be used by C, Fortran or C++, which writes no events."""

    def wrapper(original: Function) -> Function:
        def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            if isinstance(arguments[0], (comms.module.Comm, comms.module.Request)) and comms.shared(arguments[0]):
                recording.opaque(f"MPI's {what} gave a handle away: what is done with it outside of Python is not seen")

        return recorded(original, prepare)

    return wrapper


def _calling_back(original: Function) -> Function:
    """Functions of attributes run inside of MPI, where a thread that is recorded in C is believed in the library alone."""

    def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        if any(callable(one) for one in (*arguments, *named.values()) if not isinstance(one, type)):
            recording.opaque("its attributes have functions, which run inside of MPI, and may communicate there")

    return recorded(original, prepare)


def _handle(original: Any) -> Any:
    return property(_leaving("handle")(original.__get__), doc=original.__doc__)


def _watch_interface(module: ModuleType) -> None:
    """Compiled modules (petsc4py, h5py) take communicators through mpi4py's C interface, which they look up here."""
    interface = getattr(module, "__pyx_capi__", None)
    if interface is None:
        return

    class Watched(ModuleType):
        @property
        def __pyx_capi__(self) -> Any:
            recording.opaque("a compiled module uses mpi4py's C interface: what it communicates is not seen")
            return interface

    Watched.__name__, Watched.__qualname__ = ModuleType.__name__, ModuleType.__qualname__
    module.__class__ = Watched


def _watch_abort_status(module: Any) -> None:
    """`python -m mpi4py PROGRAM` sets it when the program has failed: MPI_Abort comes after the last Python code then."""
    original, status = module._set_abort_status, 0

    def set_abort_status(code: Any) -> Any:
        nonlocal status
        status = code
        found = recording.existing()
        if found is not None:
            found.ending.abort_code = lambda: status if module.Is_initialized() and not module.Is_finalized() else 0
        return original(code)

    module._set_abort_status = set_abort_status


def _abort(name: str) -> Callable[[Function], Function]:
    def wrapper(original: Function) -> Function:
        def prepare(arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
            found = recording.existing()
            if found is not None:
                found.recorder.abort(named.get("errorcode", arguments[1] if len(arguments) > 1 else 0))

        return recorded(original, prepare)

    return wrapper


_WRAPPERS: tuple[tuple[Any, Callable[[str], Callable[[Function], Function]]], ...] = (
    (mpi_ops.COLLECTIVES, collective),
    (mpi_ops.MAKERS, maker),
    (("Create_group",), group_maker),
    (mpi_ops.SENDS, send),
    (mpi_ops.RECEIVES, receive),
    (mpi_ops.BOTH, both),
    (mpi_ops.PROBES, probe),
    (("Free", "Disconnect", "free"), releasing),
    (("Abort",), _abort),
)
