"""What is told of a Python thread that may sleep: its line, what it calls there, and whether that is a lock of Python."""

from __future__ import annotations

import ctypes
import io
import multiprocessing
import os
import queue
import select
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.pool import mapstar  # type: ignore[attr-defined]
from types import FrameType, SimpleNamespace
from typing import Any

import pytest

from lockstep.harness.attach.sleepers import at_a_lock, entry
from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.thread_waits import CALLS, thread_waits
from lockstep.harness.supervisor.sleepers import Known, around, of_threads

HELD, RE_HELD = threading.Lock(), threading.RLock()


class Owner:
    """Something with a lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lock.acquire()

    def take(self) -> None:
        """Wait for it, without a limit."""
        with self.lock:
            pass


def with_lock() -> None:
    """A statement of its own."""
    with HELD:
        pass


def acquire() -> None:
    """A call."""
    HELD.acquire()
    HELD.release()


def re_entrant() -> None:
    """A lock that knows its owner."""
    with RE_HELD:
        pass


def take_from_queue() -> None:
    """A queue that is written in C, by a method that asks for its class."""
    SIMPLE.get()


def timed() -> None:
    """It ends by itself."""
    if HELD.acquire(timeout=100.0):
        HELD.release()


def get() -> None:
    """Below a library's function."""
    QUEUE.get()


def sleep() -> None:
    """No lock at all."""
    while not DONE.is_set():
        time.sleep(0.05)


def frame(thread: threading.Thread) -> FrameType:
    """Where a thread is now."""
    return sys._current_frames()[thread.ident or 0]


QUEUE: queue.Queue[int] = queue.Queue()
SIMPLE: queue.SimpleQueue[int] = queue.SimpleQueue()
DONE = threading.Event()
OWNER = Owner()
WAITS: list[tuple[Callable[[], None], bool]] = [
    (with_lock, True), (acquire, True), (re_entrant, True), (OWNER.take, True), (take_from_queue, True),
    (timed, False), (sleep, False),
]  # fmt: skip


@pytest.mark.skipif(not CALLS, reason="the system calls of this machine are not known")
@pytest.mark.parametrize(("function", "lock"), WAITS)
def test_which_threads_wait_for_a_lock(function: Callable[[], None], lock: bool) -> None:
    """Of a held lock of Python that is taken without a limit it is known; the kernel agrees, or there is a doubt."""
    DONE.clear()
    while not SIMPLE.empty():
        SIMPLE.get()
    HELD.acquire()
    RE_HELD.acquire()
    OWNER.lock.acquire(blocking=False)
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    try:
        assert wait_until(lambda: frame(thread).f_code.co_name == function.__name__, 20.0)
        if lock:
            assert wait_until(lambda: at_a_lock(frame(thread)), 20.0)

        def told() -> bool:
            held, doubts = of_threads(
                os.getpid(), [entry(thread.native_id or 0, frame(thread), "doubt", False)], frozenset()
            )
            asleep = [one for one in held if '"turns"' not in one]  # without waits that have a limit
            return (len(asleep), doubts) == ((1, []) if lock else (0, ["doubt"]))

        assert wait_until(told, 20.0)
        assert at_a_lock(frame(thread)) == (lock or function is timed)  # of its limit the kernel tells
    finally:
        HELD.release()
        RE_HELD.release()
        SIMPLE.put(1)
        DONE.set()
        if OWNER.lock.locked():
            OWNER.lock.release()
        thread.join()


@pytest.mark.skipif(not CALLS, reason="the system calls of this machine are not known")
@pytest.mark.parametrize("mode", ["lock", "packed", "queue", "semaphore", "by-a-library", "by-a-loop"])
def test_a_thread_that_runs_nothing_but_c_code(mode: str) -> None:
    """Without a line of the program it waits as others do; in what another library was handed nobody knows for whom."""
    lock, waiting, semaphore = threading.Lock(), queue.SimpleQueue[int](), multiprocessing.Lock()
    lock.acquire()
    semaphore.acquire()
    libc, word = ctypes.CDLL(None), (ctypes.c_uint64 * 1)()
    events = os.eventfd(0)
    targets: dict[str, tuple[Callable[..., object], tuple[Any, ...]]] = {
        "lock": (lock.acquire, ()),
        "packed": (lock.acquire, (True, -1)),
        "queue": (waiting.get, ()),
        "semaphore": (semaphore.acquire, ()),
        "by-a-library": (libc.read, (events, word, 8)),
        "by-a-loop": (mapstar, ((libc.read, [events], [word], [8]),)),
    }
    target, arguments = targets[mode]
    thread = threading.Thread(target=target, args=arguments, daemon=True)
    thread.start()

    def told() -> bool:
        held, doubts = of_threads(os.getpid(), [entry(thread.native_id or 0, frame(thread), "doubt", False)], frozenset())
        return (len(held), doubts) == ((0, ["doubt"]) if mode.startswith("by-") else (1, []))

    try:
        assert wait_until(
            lambda: any(one.sleeps for one in thread_waits(os.getpid()) if one.thread == thread.native_id), 20.0
        )
        assert wait_until(told, 20.0)
    finally:
        lock.release()
        semaphore.release()
        waiting.put(1)
        os.eventfd_write(events, 1)
        thread.join()
        os.close(events)


def test_what_a_thread_calls() -> None:
    """The function of the library that the program's own line has called, by its class's name."""
    thread = threading.Thread(target=get, daemon=True)
    thread.start()
    assert wait_until(lambda: frame(thread).f_code is threading.Condition.wait.__code__, 20.0)
    told = entry(1, frame(thread), "doubt", True)
    QUEUE.put(1)
    thread.join()
    assert told["op"] == "Queue.get"
    assert str(told["site"]).endswith(" in get")


def reads(fd: int) -> None:
    """A function of a module."""
    os.read(int(str(fd)), 1)


def reads_a_line(fd: int) -> None:
    """A method of a file, which is an attribute of something."""
    with os.fdopen(fd) as file:
        one = SimpleNamespace(file=file)
        one.file.readline()


def waits_by_another_name(fd: int) -> None:
    """A function that was given another name."""
    select_one = select.select
    select_one([fd], [], [])


def reads_in_c(fd: int) -> None:
    """Code of another library, which may read for a thread of its own."""
    ctypes.CDLL(None).read(fd, ctypes.create_string_buffer(1), 1)


class Mine(io.FileIO):
    """A class of the program's own."""


def reads_mine(fd: int) -> None:
    """What its methods do is not known."""
    with Mine(fd) as file:
        file.read(1)


READS: list[tuple[Callable[[int], None], bool]] = [
    (reads, True), (reads_a_line, True), (waits_by_another_name, True), (reads_in_c, False), (reads_mine, False),
]  # fmt: skip


@pytest.mark.skipif(not CALLS, reason="the system calls of this machine are not known")
@pytest.mark.parametrize(("function", "standard"), READS)
def test_which_threads_call_the_standard_library(function: Callable[[int], None], standard: bool) -> None:
    """C code of it waits for what the kernel tells; of any other code that is not known."""
    read, write = os.pipe()
    thread = threading.Thread(target=function, args=(os.dup(read),), daemon=True)
    thread.start()

    def told() -> bool:
        held, doubts = of_threads(os.getpid(), [entry(thread.native_id or 0, frame(thread), "doubt", False)], frozenset())
        return (len(held), doubts) == ((1, []) if standard else (0, ["doubt"]))

    try:
        assert wait_until(
            lambda: any(one.sleeps for one in thread_waits(os.getpid()) if one.thread == thread.native_id), 20.0
        )
        assert wait_until(told, 20.0)
    finally:
        os.write(write, b"\n")
        thread.join()
        os.close(read)
        os.close(write)


def test_a_process_that_is_gone() -> None:
    """Nothing is told of it."""
    assert around([1 << 21], [], frozenset(), Known("")) == []
