"""What the kernel tells of threads that wait: the call, whether it has a limit, the things, and who holds the other ends."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.host.holders import holders, inherited
from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.proc import Stat, is_zombie
from lockstep.harness.host.process_tree import descendants
from lockstep.harness.host.thread_waits import CALLS, End, ThreadWait, steps, thread_waits
from lockstep.harness.host.wakers import is_idle, wakers

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
    ("_, write = os.pipe(); {up}os.write(write, bytes(1 << 20))", "write", True, "pipe"),
    ("import threading; lock = threading.Lock(); lock.acquire(); {up}lock.acquire()", "futex", True, "own"),
    ("import threading; lock = threading.Lock(); lock.acquire(); {up}lock.acquire(timeout=90)", "futex", False, "own"),
    ("import multiprocessing as mp; e = mp.Event(); {up}e.wait()", "futex", True, "semaphore"),
    ("import select; r, _ = os.pipe(); p = select.poll(); p.register(r); {up}p.poll()", "poll", True, "pipe"),
    (
        "_, w = os.pipe(); n = [os.write(w, bytes(1 << 16))]; import select; {up}select.select([], [w], [])",
        "select",
        True,
        "pipe",
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
    """Those that could act on it, all of whom are known as soon as no process of this machine is being sent a descriptor."""
    found: list[frozenset[int]] = []

    def known() -> bool:
        found.extend(one for one in holders([end]).values() if one is not None)
        return bool(found)

    assert wait_until(known, 30.0)
    return set(found[0])


def test_who_holds_a_pipe() -> None:
    """Who has either end open: one that could only read may open the other by the name that /proc gives to it."""
    read, write = os.pipe()
    try:
        with program(f"os.close({write}); {UP}os.read({read}, 1)", read, write) as one:
            end = main_wait(one.pid, "read").ends[0]
            assert who(end) == {os.getpid(), one.pid}
            with program(f"{UP}import time; time.sleep(90)", write) as other:
                assert who(end) == {os.getpid(), one.pid, other.pid}
            assert who(end) == {os.getpid(), one.pid}
            assert holders([end], outside=inherited()) == {end: None}
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
        assert wait_until(lambda: who(end) == {parent.pid, child}, 30.0)  # who has its own end open may shut it down


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


SEMAPHORES = [
    ("from multiprocessing import get_context as c; e = c('spawn').Event(); {up}e.wait()", "named semaphore"),
    ("from _multiprocessing import SemLock; s = SemLock(1, 0, 1, '/lockstep-{pid}', True); {up}s.acquire()", "semaphore"),
    ("from _multiprocessing import SemLock; s = SemLock(1, 0, 1, '/lockstep-{pid}', False); {up}s.acquire()", "outside"),
]


@pytest.mark.parametrize(("text", "kind"), SEMAPHORES)
def test_a_semaphore_that_others_may_open_by_its_name(text: str, kind: str) -> None:
    """Those of multiprocessing are told to processes that it starts, any other one to anybody; one without a name is not."""
    name = Path(f"/dev/shm/sem.lockstep-{os.getpid()}")
    try:
        with program(text.format(up=UP.replace("\n", "; "), pid=os.getpid())) as one:
            end = main_wait(one.pid, "futex").ends[0]
            assert end.kind == kind
            if kind == "outside":
                assert holders([end]) == {end: None}
            else:
                assert who(end) == {one.pid}
    finally:
        name.unlink(missing_ok=True)


def test_a_call_on_a_socket_that_has_a_limit() -> None:
    """SO_RCVTIMEO shows in no argument of the call that it ends."""
    text = "import socket, struct; a, b = socket.socketpair(); {set}{up}a.recv(1)"
    option = "a.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 90, 0)); "
    for wanted in (option, ""):
        with program(text.format(up=UP.replace("\n", "; "), set=wanted)) as one:
            assert main_wait(one.pid, "read").timed == bool(wanted)


def test_a_descriptor_on_its_way() -> None:
    """While one has been sent that nobody has received, whoever will may act on anything."""
    one, other = socket.socketpair()
    read, write = os.pipe()
    with one, other, program(f"{UP}os.read({read}, 1)", read) as waiting:
        end = main_wait(waiting.pid, "read").ends[0]
        assert who(end) == {os.getpid(), waiting.pid}
        socket.send_fds(one, [b"-"], [write])
        assert holders([end]) == {end: None}
        os.close(socket.recv_fds(other, 1, 1)[1][0])
        assert who(end) == {os.getpid(), waiting.pid}
    os.close(read)
    os.close(write)


def test_a_thread_that_is_stopped_does_not_sleep() -> None:
    """It goes on with what it was in when somebody lets it."""
    with program(f"read, _ = os.pipe(); {UP}os.read(read, 1)") as one:
        assert main_wait(one.pid, "read").sleeps
        os.kill(one.pid, signal.SIGSTOP)
        assert wait_until(lambda: not thread_waits(one.pid)[0].sleeps, 30.0)
        os.kill(one.pid, signal.SIGCONT)
        assert main_wait(one.pid, "read").sleeps


def test_what_an_epoll_descriptor_waits_for_is_another_thing() -> None:
    """A pipe that was put in, is closed there, and is open elsewhere still counts: the number stands for another one now."""
    text = f"""
        import select
        read, write = os.pipe()
        poll = select.epoll()
        poll.register(read, select.EPOLLIN)
        copy = os.dup(read)
        os.close(read)
        os.dup2(os.pipe()[0], read)
        {UP}
        poll.poll()
    """
    with program(text) as one:
        found = main_wait(one.pid, "epoll_wait")
        assert [end.kind for end in found.ends] == ["outside"]


def test_a_process_goes_on_without_its_first_thread() -> None:
    """Where only the first thread has ended, which the kernel shows as a zombie, the process has not."""
    text = f"""
        import ctypes, threading, time
        threading.Thread(target=time.sleep, args=(90,)).start()
        {UP}
        ctypes.CDLL(None).syscall({60 if os.uname().machine == "x86_64" else 93}, 0)
    """
    with program(text) as one:
        assert wait_until(lambda: Stat.of(one.pid).state == "Z", 30.0)
        assert not is_zombie(one.pid)
        assert not all(found.sleeps for found in thread_waits(one.pid))


WAKERS = [
    ("", ""),
    ("import signal; signal.signal(signal.SIGUSR1, print)", "handlers of signals (10)"),
    ("import signal; signal.pthread_sigmask(0, [15]); os.kill(os.getpid(), 15)", "is pending"),
    ("import ctypes; c = ctypes.CDLL(None); assert not c.timer_create(0, None, (ctypes.c_long * 2)())", "armed a timer"),
    ("import fcntl, socket; s = socket.socket(); fcntl.fcntl(s, 4, fcntl.fcntl(s, 3) | 0o20000)", "O_ASYNC"),
]


@pytest.mark.parametrize(("text", "said"), WAKERS)
def test_what_may_wake_a_process_beside(text: str, said: str) -> None:
    """A handler, a signal, a timer, a descriptor that sends signals."""
    with program(f"{text}\n{UP}read, _ = os.pipe(); os.read(read, 1)".replace("\n        ", "\n")) as one:
        main_wait(one.pid, "read")
        found = wakers(one.pid)
        assert [said in text for text in found] == ([True] if said else []), found


IDLE = (
    "SqHead:\t5\nSqTail:\t5\nCachedSqHead:\t5\nCqHead:\t5\nCqTail:\t5\nCachedCqTail:\t{}\nPollList:\n{}CqOverflowList:\n{}"
)


def test_work_that_the_kernel_does() -> None:
    """An io_uring is idle when each entry has been answered, and nothing is polled."""
    assert is_idle(IDLE.format(5, "", "NAPI:\tdisabled\n"))
    assert is_idle(IDLE.format(5, "", ""))
    assert not is_idle(IDLE.format(4, "", ""))
    assert not is_idle(IDLE.format(5, "  op=6, task_works=0\n", ""))
    assert not is_idle(IDLE.format(5, "", "  user_data=0, res=1, flags=0\n"))
    assert not is_idle("SqHead:\t5\n")
