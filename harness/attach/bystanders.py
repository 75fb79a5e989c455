"""Which threads of this process could still do something by themselves, communicate for instance.

A thread in a recorded operation is asleep for certain only while it is in the library, and in no Python code that the
library has called (to unpickle, to reduce). One outside is asleep if it waits for a lock without a time limit and the lock
is held: then another thread of this process must release it. The main thread may be woken even so, by a signal's handler.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Collection
from types import FrameType
from typing import Any

from lockstep.harness.attach import natives, recorded, sleepers

# Threads of libraries that only look after themselves: they never communicate.
SERVICES = ("/tqdm/_monitor.py",)
# What torch's own functions run in while a recorded one of them waits.
TORCH = (
    "/torch/distributed/",
    "/torch/cuda/__init__.py",
    "/torch/cuda/streams.py",
    "/torch/_ops.py",
    "/torch/_library/autograd.py",
)
_CONDITION_WAIT = threading.Condition.wait.__code__
_JOIN = threading.Thread.join.__code__
_JOIN_LOCK = getattr(getattr(threading.Thread, "_wait_for_tstate_lock", None), "__code__", None)


def awake(me: int, blocked: Collection[int], inside: Collection[int] | None = None) -> list[str]:
    """Each thread, besides `me`, that may still do something by itself. `blocked`: those in a recorded operation.

    `inside`: where MPI is recorded in C, those that are in a wait there, by the kernel's ids: they are in the library, and
    run nothing of Python until it returns, no handler of a signal either.
    """
    others, asleep = standing(me, blocked, inside)
    return sorted([*others, *(str(one["text"]) for one in asleep if not one["sure"])])


def standing(
    me: int, blocked: Collection[int], inside: Collection[int] | None = None
) -> tuple[list[str], list[dict[str, object]]]:
    """The same in two parts: those of which nothing else can be known, and those that may sleep, as the kernel would know.

    Of the latter some surely do, until another thread of this process lets go of a lock.
    """
    frames = sys._current_frames()
    threads = {thread.ident: thread for thread in threading.enumerate()}
    in_c = {ident for ident, thread in threads.items() if thread.native_id in (inside or ())}
    main = threading.main_thread().ident
    handlers = _handlers()
    found: list[str] = []
    asleep: list[dict[str, object]] = []
    for ident, frame in frames.items():
        if ident == me or ident in in_c:
            continue
        alert = handlers if ident == main else []
        if ident in blocked and _in_library(frame, not alert):
            continue
        sleeps = ident not in blocked and _asleep(frame)
        if sleeps and not alert and _looks_after_itself(frame):
            continue
        thread = threads.get(ident)
        if sleeps and not alert and (thread is None or thread.native_id is None):
            continue
        name = thread.name if thread is not None else "a thread that Python did not start"
        why = f", and has handlers of {', '.join(alert)}" if alert and sleeps else ""
        place = f"{frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}"
        doubt = f"Python thread {name} at {place}{why} may still communicate"
        if ident in blocked or alert or thread is None or thread.native_id is None:
            found.append(doubt)
        else:
            one = sleepers.entry(thread.native_id, frame, doubt, sleeps)
            asleep.append(one | {"interruptible": ident == main and _interruptible()})
    if main not in frames:
        found.append("Python's main thread has ended, and its interpreter may be about to")
    # A look at all stacks costs milliseconds: only where it decides.
    return sorted(found) or natives.doubts(frames, inside), asleep


def _handlers() -> list[str]:
    """The signals for which Python has a handler of the program: it runs in the main thread, also while that waits."""
    usual = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, None)
    found = {number: signal.getsignal(number) for number in sorted(signal.valid_signals())}
    return [
        _name(number) for number, handler in found.items() if handler not in usual and not _is_of_asyncio(number, handler)
    ]


def _is_of_asyncio(number: int, handler: Any) -> bool:
    """Whether it is Ctrl-C's while asyncio.run goes on, which cancels the main task and then raises as Python's own does."""
    runner = getattr(sys.modules.get("asyncio.runners"), "Runner", None)
    own = getattr(runner, "_on_sigint", None)
    called = getattr(handler, "func", None)
    return number == signal.SIGINT and own is not None and getattr(called, "__func__", None) is own


def _interruptible() -> bool:
    """Whether Ctrl-C, which any process may send as a signal, raises an error in the main thread, and so ends its wait."""
    handler = signal.getsignal(signal.SIGINT)
    return handler is signal.default_int_handler or _is_of_asyncio(signal.SIGINT, handler)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(int(number))


def _in_library(frame: FrameType, undisturbed: bool) -> bool:
    """Whether a thread in a recorded operation is in the library and nowhere else. Torch's is partly written in Python."""
    between: list[str] = []
    at: FrameType | None = frame
    while at is not None and not (at.f_code in recorded.CODES and at.f_locals.get("begun") is not None):
        if not _passes_on(at):
            between.append(at.f_code.co_filename)
        if at.f_code.co_name == "exec_module" and at.f_code.co_filename.endswith("/harness/attach/imports.py"):
            return all(name.startswith("<frozen importlib") for name in between[:-1])  # MPI_Init inside of an import
        at = at.f_back
    if at is None or not at.f_locals.get("started"):
        return False
    if not between:
        return True
    of_torch = (getattr(at.f_locals["original"], "__module__", None) or "").startswith("torch")
    return of_torch and undisturbed and all(any(part in name for part in TORCH) for name in between)


def _passes_on(frame: FrameType) -> bool:
    """Whether it is a call of a store that is not written down, since the operation around it is."""
    if frame.f_code not in recorded.CODES or not frame.f_locals.get("started"):
        return False
    return str(getattr(frame.f_locals.get("prepare"), "__module__", "")).endswith(".torch_stores")


def _asleep(frame: FrameType) -> bool:
    code, local = frame.f_code, frame.f_locals
    if code is _CONDITION_WAIT:
        return local.get("timeout", 0) is None and _held(local.get("waiter"))
    if code is _JOIN_LOCK:  # of Thread.join, until Python 3.12
        return bool(local.get("block")) and local.get("timeout") == -1 and _held(local.get("lock"))
    if code is _JOIN and _JOIN_LOCK is None:
        return local.get("timeout", 0) is None and bool(local["self"].is_alive())
    return _looks_after_itself(frame)


def _looks_after_itself(frame: FrameType) -> bool:
    """Whether a thread only waits for work of its own process, or is of a library that never communicates."""
    code, local = frame.f_code, frame.f_locals
    if code.co_name == "_worker" and code.co_filename.endswith("/concurrent/futures/thread.py"):
        return _idle(local.get("executor_reference"), local.get("work_queue"))
    return _is_service(frame)


def _idle(reference: Any, queue: Any) -> bool:
    """Whether no worker of a thread pool has taken, or will take, any work. A worker that takes some is counted before the
    thread that gave it goes on."""
    executor = reference() if reference is not None else None
    return executor is not None and queue.empty() and executor._idle_semaphore._value >= len(executor._threads)


def _is_service(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.endswith(SERVICES):
            return True
        frame = frame.f_back
    return False


def _held(lock: Any) -> bool:
    return lock is not None and bool(lock.locked())
