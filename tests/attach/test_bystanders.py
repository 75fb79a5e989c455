"""Which threads of a process could still communicate."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from lockstep.harness.attach.bystanders import awake


@contextmanager
def thread(target: Callable[[], object], name: str) -> Iterator[None]:
    """A daemon thread, for which nobody waits."""
    one = threading.Thread(target=target, name=name, daemon=True)
    one.start()
    yield


def mine(name: str) -> list[str]:
    """The threads of this name that may act."""
    return [text for text in awake(threading.get_ident(), ()) if text.startswith(f"Python thread {name}")]


def settles(name: str, asleep: bool) -> bool:
    """Whether the thread comes to be seen so."""
    deadline = time.monotonic() + 10
    while bool(mine(name)) is asleep:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True  # as of that look: by the next one it may have woken


def test_a_lock_that_is_held_is_sleep() -> None:
    """A thread that waits without a limit for what only this process can release is asleep, until it is released."""
    event = threading.Event()
    with thread(event.wait, "waits"):
        assert settles("waits", asleep=True)
        with thread(next(t for t in threading.enumerate() if t.name == "waits").join, "joins"):
            assert settles("joins", asleep=True)
            event.set()
            assert settles("joins", asleep=True)  # gone, which is as good


@pytest.mark.parametrize("how", ["timer", "limit", "socket"])
def test_what_may_wake_by_itself_is_awake(how: str) -> None:
    """A timer, a wait with a limit of time and a socket may each wake a thread from outside."""
    one, other = socket.socketpair()
    event = threading.Event()
    target = {"timer": lambda: time.sleep(60), "limit": lambda: event.wait(60), "socket": lambda: one.recv(1)}[how]
    with thread(target, how):
        time.sleep(0.1)
        assert settles(how, asleep=False)
    event.set()
    other.send(b"x")
    one.close()
    other.close()


def _until(stop: threading.Event) -> None:
    while not stop.is_set():
        time.sleep(0.01)


def test_idle_worker_of_a_pool_is_asleep_and_a_busy_one_is_not() -> None:
    """A worker without work is given some by this process only."""
    stop = threading.Event()
    with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
        pool.submit(int).result()
        assert settles("pool", asleep=True)
        pool.submit(_until, stop)
        assert settles("pool", asleep=False)
        stop.set()
