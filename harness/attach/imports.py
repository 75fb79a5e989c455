"""Watches the imports of a program, and wraps the modules that communicate as soon as they are there.

Loaded by sitecustomize before the program, by path: it may import nothing of this package, nor anything slow. The package
is loaded under its own name when it is needed and then taken out of `sys.modules` again, so that a program's own module of
that name is not hidden.
"""

from __future__ import annotations

import atexit
import os
import sys
from types import ModuleType
from typing import Any

PACKAGE = "lockstep"
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120  (the package's folder)

# Module of the program -> our module and function that wraps it.
WRAPPERS = {
    "torch.distributed.distributed_c10d": ("torch_init", "wrap"),
    "torch.distributed._functional_collectives": ("torch_functional", "wrap"),
    "torch.nn.parallel.distributed": ("torch_functional", "wrap_data_parallel"),
    "torch.multiprocessing.spawn": ("exits", "wrap_spawn"),
    "torch.cuda": ("cuda", "wrap"),
    "torch.cuda.graphs": ("cuda", "wrap_graphs"),
    "mpi4py.MPI": ("mpi", "wrap"),
    "multiprocessing.process": ("exits", "wrap_process"),
    "torch.distributed.rpc": ("visibility", "wrap_rpc"),
    "ctypes": ("visibility", "wrap_ctypes"),
    "cffi.api": ("visibility", "wrap_cffi"),
    "ray._private.worker": ("ray_gets", "wrap"),
}
ALARMS = ("alarm", "setitimer")  # of the module signal
IN_C = ("alarm", "ualarm", "setitimer", "timer_create")  # ... and of the C library, looked up through ctypes
RECORDED = "lockstep-recorder"  # so is called a descriptor by which this process is known to tell of its alarms
HIGH = 500  # its number, where it is in nobody's way
BEFORE = {"mpi4py.MPI": ("mpi", "before")}  # what is to run before a module's own code
_address: list[str] = []  # of the supervisor's socket
_ours: dict[str, ModuleType] = {}


def install(address: str) -> None:
    """Watch imports from now on, and the end; what is loaded already is wrapped at once.

    `address`: of the supervisor's socket.
    """
    _address.append(address)
    _show()
    sys.meta_path.insert(0, _Finder())
    atexit.register(_finish)  # the first that is registered runs last
    previous = sys.excepthook

    def hook(kind: Any, error: BaseException, traceback: Any) -> Any:
        found = _recording()
        if found is not None:
            found.ending.uncaught(error)
        return previous(kind, error, traceback)

    sys.excepthook = hook
    for name in [*WRAPPERS, "signal"]:
        if name in sys.modules:
            _wrap(name, sys.modules[name])


def _finish() -> None:
    found = _recording()
    if found is not None:
        found.ending.finish()


def _recording() -> Any:
    """This process's recording; None where nothing that communicates was ever imported."""
    module = _ours.get("lockstep.harness.attach.recording")
    return module.existing() if module is not None else None


class _Finder:
    """Finds nothing itself: it lets the others find, and puts a loader around what they found."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """The spec of a module to be wrapped; None for every other."""
        if name not in WRAPPERS and name != "signal":
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec: Any = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    spec.loader = _Loader(spec.loader)
                return spec
        return None


class _Loader:
    """A loader that wraps the module when its own code has run. Everything else is the original's."""

    def __init__(self, original: Any) -> None:
        self._original = original

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)

    def create_module(self, spec: Any) -> Any:
        """As the original."""
        return self._original.create_module(spec)

    def exec_module(self, module: Any) -> None:
        """Run the module's code, then wrap what it holds."""
        name = module.__name__
        module.__spec__.loader = module.__loader__ = self._original
        done = _call(BEFORE[name], module) if name in BEFORE else None
        try:
            self._original.exec_module(module)
        finally:
            if callable(done):
                done()
        _wrap(name, module)


def _wrap(name: str, module: Any) -> None:
    if name == "signal":
        _note_signals(module)
    else:
        _call(WRAPPERS[name], module)
    if name == "ctypes":
        module.CDLL.__getitem__ = _noting(module.CDLL.__getitem__, "alarm", lambda _, symbol: symbol in IN_C)


def _show() -> None:
    """Be known as a process that tells of its alarms, and tell of one that it had before: `exec` has kept that.

    The descriptor is inherited by those that are forked, and lost by those that become another program.
    """
    from _signal import ITIMER_REAL, getitimer  # type: ignore[import-not-found]
    from contextlib import suppress

    if any(getitimer(ITIMER_REAL)):
        _mark("alarm")
    with suppress(OSError, AttributeError):
        low = os.memfd_create(RECORDED)
        try:
            os.fstat(HIGH)  # somebody has that number already
        except OSError:
            os.dup2(low, HIGH, inheritable=False)
        os.close(low)


def _noting(original: Any, kind: str, concerns: Any) -> Any:
    """The same function, that leaves a mark when it is called in a way that concerns us."""
    from functools import wraps

    @wraps(original)
    def call(*arguments: Any, **named: Any) -> Any:
        if concerns(*arguments[:2], **named):
            _mark(kind)
        return original(*arguments, **named)

    return call


def _note_signals(module: Any) -> None:
    """Have a process leave a mark when it first sets an alarm: nobody sees that from outside, and it may end the process.

    So it does when it sets a handler of a signal: one that was forked is asked for nothing. The mark is a file beside the
    supervisor's socket that bears the process's number, as `exec` keeps both.
    """

    def is_handler(signalnum: Any = None, handler: Any = None, **_: Any) -> bool:
        return callable(handler) and signalnum != module.SIGINT

    for name in ALARMS:
        setattr(module, name, _noting(getattr(module, name), "alarm", lambda *_, **__: True))
    module.signal = _noting(module.signal, "handler", is_handler)


def _mark(kind: str) -> None:
    from contextlib import suppress

    with suppress(OSError):  # the supervisor is gone
        os.close(os.open(f"{_address[0]}.{kind}-{os.getpid()}", os.O_CREAT | os.O_WRONLY, 0o600))


def _call(where: tuple[str, str], module: Any) -> Any:
    """Call one of our functions. An error of ours must not become one of the program's."""
    try:
        return getattr(load(where[0]), where[1])(module)
    except Exception as error:
        print(f"lockstep: {module.__name__} is not watched: {type(error).__name__}: {error}", file=sys.stderr)
        try:
            load("recording").opaque(f"{module.__name__} could not be wrapped: {error}")
        except Exception:  # no recorder either: the supervisor sees a process that has not attached
            return None
        return None


def load(name: str) -> Any:
    """One of our modules. While it is imported `lockstep` is ours, before and after it is the program's."""
    full = f"lockstep.harness.attach.{name}"
    if full in _ours:
        return _ours[full]
    import importlib
    import importlib.util

    theirs = _taken(PACKAGE)
    sys.modules.update(_ours)
    try:
        if PACKAGE not in sys.modules:
            path = os.path.join(ROOT, "__init__.py")  # noqa: PTH118
            spec = importlib.util.spec_from_file_location(PACKAGE, path, submodule_search_locations=[ROOT])
            if spec is None or spec.loader is None:
                raise ImportError(f"cannot load {path}")
            sys.modules[PACKAGE] = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(sys.modules[PACKAGE])
        importlib.import_module(full)
    finally:
        _ours.update(_taken(PACKAGE))
        sys.modules.update(theirs)
    return _ours[full]


def _taken(package: str) -> dict[str, ModuleType]:
    """The modules of a package, removed from `sys.modules`."""
    names = [name for name in sys.modules if name == package or name.startswith(f"{package}.")]
    return {name: sys.modules.pop(name) for name in names}
