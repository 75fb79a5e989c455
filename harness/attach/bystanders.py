"""The other Python threads of this process: which of them could still do something, communicate for instance.

A thread is asleep for certain only if it waits for a lock without a time limit and the lock is held: then another thread of
this process must release it. Everything else (a socket, a timer, a computation) may wake it from outside.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Set
from types import FrameType
from typing import Any

# Threads of libraries that only look after themselves: they never communicate.
SERVICES = ("/tqdm/_monitor.py",)
_CONDITION_WAIT = threading.Condition.wait.__code__
_JOIN = threading.Thread.join.__code__
_JOIN_LOCK = getattr(getattr(threading.Thread, "_wait_for_tstate_lock", None), "__code__", None)


def awake(known: Set[int]) -> list[str]:
    """Name and place of each thread, besides `known`, that may still do something by itself."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    found: list[str] = []
    for ident, frame in sys._current_frames().items():
        if ident not in known and not _asleep(frame):
            name = names.get(ident, "a thread that Python did not start")
            found.append(f"{name} at {frame.f_code.co_filename}:{frame.f_lineno} in {frame.f_code.co_name}")
    return sorted(found)


def _asleep(frame: FrameType) -> bool:
    code, local = frame.f_code, frame.f_locals
    if code is _CONDITION_WAIT:
        return local.get("timeout", 0) is None and _held(local.get("waiter"))
    if code is _JOIN_LOCK:  # of Thread.join, until Python 3.12
        return bool(local.get("block")) and local.get("timeout") == -1 and _held(local.get("lock"))
    if code is _JOIN and _JOIN_LOCK is None:
        return local.get("timeout", 0) is None and bool(local["self"].is_alive())
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
