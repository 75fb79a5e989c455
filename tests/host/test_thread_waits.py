"""What the kernel tells of threads that wait: the call, whether it has a limit, the things, and who holds the other ends."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.host.holders import holders
from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.process_tree import descendants
from lockstep.harness.host.thread_waits import CALLS, End, ThreadWait, steps, thread_waits

pytestmark = pytest.mark.skipif(not CALLS, reason="the system calls of this machine are not known")


@contextlib.contextmanager
def program(text: str, *more: int) -> Iterator[subprocess.Popen[bytes]]:
    """A Python program that has said that it is about to wait. It ends when the test does, with all below it."""
    code = "import os, sys\n" + textwrap.dedent(text)
    one = subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE, pass_fds=more)
    try:
        assert one.stdout is not None
        assert one.stdout.readline() == b"up\n"
        yield one
    finally:
        for pid in [*descendants(one.pid), one.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        one.communicate()


def main_wait(pid: int, call: str) -> ThreadWait:
    """The wait of a process's main thread, as soon as it is in this call."""
    found: list[ThreadWait] = []

    def waits() -> bool:
        found[:] = [one for one in thread_waits(pid) if one.thread == pid and one.call == call]
        return bool(found)

    assert wait_until(waits, 30.0)
    return found[0]


def child_of(pid: int) -> int:
    """The one process below another, as soon as it is there."""
    assert wait_until(lambda: bool(descendants(pid)), 30.0)
    return descendants(pid)[0]


UP = "print('up', flush=True)\n"
WAITS = [
    ("read, _ = os.pipe(); {up}os.read(read, 1)", "read", True, "pipe"),
    ("_, write = os.pipe(); {up}os.write(write, bytes(1 << 20))", "write", True, "pipe's readers"),
    ("import threading; lock = threading.Lock(); lock.acquire(); {up}lock.acquire()", "futex", True, "own"),
    ("import threading; lock = threading.Lock(); lock.acquire(); {up}lock.acquire(timeout=90)", "futex", False, "own"),
    ("import multiprocessing as mp; e = mp.Event(); {up}e.wait()", "futex", True, "semaphore"),
    ("import select; r, _ = os.pipe(); p = select.poll(); p.register(r); {up}p.poll()", "poll", True, "pipe"),
    (
        "_, w = os.pipe(); n = [os.write(w, bytes(1 << 16))]; import select; {up}select.select([], [w], [])",
        "select",
        True,
        "pipe's readers",
    ),
    ("import select; r, _ = os.pipe(); p = select.epoll(); p.register(r); {up}p.poll()", "epoll_wait", True, "pipe"),
    ("import select; r, _ = os.pipe(); {up}select.select([r], [], [])", "select", True, "pipe"),
    ("import select; r, _ = os.pipe(); {up}select.select([r], [], [], 90)", "select", False, "pipe"),
    ("import socket; one, _ = socket.socketpair(); {up}one.recv(1)", "read", True, "socket"),
    ("import time; {up}time.sleep(90)", "sleep", False, ""),
    ("import subprocess as s; c = s.Popen(['sleep', '90']); {up}os.waitpid(c.pid, 0)", "wait4", True, "child"),
]


@pytest.mark.parametrize(("text", "call", "sleeps", "kind"), WAITS)
def test_what_a_thread_waits_for(text: str, call: str, sleeps: bool, kind: str) -> None:
    """Its call, whether only somebody else can end it, and the kind of thing; it is the same as long as it sleeps."""
    with program(text.format(up=UP.replace("\n", "; "))) as one:
        found = main_wait(one.pid, call)
        assert (found.sleeps, [end.kind for end in found.ends]) == (sleeps, [kind] if kind else [])
        assert thread_waits(one.pid)[0] == found


def test_one_that_runs_is_not_said_to_sleep() -> None:
    """A thread that computes is in no call, and its steps change when it has been in one."""
    with program(UP + "import time\nwhile True: time.sleep(0.01)") as one:
        folder = Path(f"/proc/{one.pid}/task/{one.pid}")
        before = steps(folder)
        assert wait_until(lambda: steps(folder) != before, 30.0)
        assert not thread_waits(one.pid)[0].sleeps


def who(end: End) -> set[int]:
    """Those that hold its other end, all of whom are known."""
    found = holders([end])[end]
    assert found is not None
    return set(found)


def test_who_holds_a_pipe() -> None:
    """Who may write into it; a reader may not, and when all writers have gone nobody is left."""
    read, write = os.pipe()
    try:
        with program(f"os.close({write}); {UP}os.read({read}, 1)", read, write) as one:
            end = main_wait(one.pid, "read").ends[0]
            assert who(end) == {os.getpid()}
            with program(f"{UP}import time; time.sleep(90)", write) as other:
                assert who(end) == {os.getpid(), other.pid}
            assert who(end) == {os.getpid()}
    finally:
        os.close(read)
        os.close(write)


def test_who_holds_the_peer_of_a_socket() -> None:
    """The other process of a connection of this host."""
    text = f"""
        import socket, time
        one, other = socket.socketpair()
        {UP}
        if os.fork():
            one.close()
            other.recv(1)
        other.close()
        time.sleep(90)
    """
    with program(text) as parent:
        child = child_of(parent.pid)
        end = main_wait(parent.pid, "read").ends[0]
        assert wait_until(lambda: who(end) == {child}, 30.0)


def test_anybody_may_come_to_a_socket_that_listens() -> None:
    """Who holds its other end is not known."""
    text = f'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(); {UP}s.accept()'
    with program(text) as one:
        end = main_wait(one.pid, "accept").ends[0]
        assert end.kind == "socket"
        assert holders([end]) == {end: None}


def test_what_cannot_be_seen_is_not_known() -> None:
    """A thing of no known kind has holders whom nobody knows; a child's end is brought by the child alone."""
    strange, child = End("outside", "/dev/ptmx"), End("child", "77")
    assert holders([strange, child]) == {strange: None, child: frozenset([77])}
