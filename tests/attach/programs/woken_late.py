"""A rank, and processes beside it, that all sleep until something rare wakes one: python woken_late.py MODE [NAME [alone]].

All of them end in order, but `never`, `full`, `mute` and `several`, where nobody could act, and `unrecorded`. Who does:
`input` and `terminal` what this reads from; `fifo`, `semaphore`, `given` a process outside of the job that has a name, or
was sent a descriptor; `limit` a limit of the socket; `alarm`, `alarm-in-c` and `handed-on` the default action of an alarm,
which ends who holds a pipe; `killer` and `interrupter` a process that sleeps, and then sends a signal; `headless` a process
without its first thread; `child` one that sleeps itself. With `alone` none of them is a rank. What they wait in is all of
Python's own library, of which is known whom it waits for.
"""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Lock

LATE_S = 9
EXIT = {"x86_64": 60, "aarch64": 93}.get(os.uname().machine, 60)  # the system call that ends one thread
Wait = Callable[[], object]


def fork(what: Callable[[], object]) -> int:
    """A process that does something, and ends."""
    pid = os.fork()
    if not pid:
        try:
            what()
        finally:
            os._exit(0)
    return pid


def read_of(fd: int) -> Wait:
    """Wait for what comes from a descriptor, or for its end."""

    def wait() -> None:
        with contextlib.suppress(EOFError, OSError):
            Connection(fd, writable=False).recv_bytes()

    return wait


def asleep() -> None:
    """Wait for nobody."""
    os.read(os.pipe()[0], 1)


def later(act: Callable[..., object], *arguments: object) -> Callable[[], object]:
    """Do something late."""

    def run() -> None:
        time.sleep(LATE_S)
        act(*arguments)

    return run


def held_by(helper: Callable[[], object]) -> tuple[int, Wait]:
    """A process that holds a pipe as long as it lives, and the wait for its end."""
    read, write = os.pipe()
    os.set_inheritable(write, True)
    pid = fork(helper)
    os.close(write)
    return pid, read_of(read)


def never() -> Wait:
    """Each of two processes waits for the other."""
    return held_by(asleep)[1]


def full() -> Wait:
    """A process prints more than a pipe holds, and nobody reads it."""
    return subprocess.Popen([sys.executable, "-c", "print('-' * 300_000)"], stdout=subprocess.PIPE).wait


def mute() -> Wait:
    """Each waits for a line of the other."""
    pipe = subprocess.PIPE
    one = subprocess.Popen([sys.executable, "-c", "input()"], stdin=pipe, stdout=pipe, text=True)
    output, command = one.stdout, one.stdin

    def wait() -> None:
        if output is not None:
            output.readline()
        print(command)

    return wait


def several() -> Wait:
    """Nobody sends through any of two connections."""
    (one, first), (two, second) = (multiprocessing.Pipe() for _ in range(2))
    return lambda: (connection.wait([one, two]), first, second)


def alarm() -> Wait:
    """Who holds the pipe is ended by its alarm."""

    def helper() -> None:
        signal.alarm(LATE_S)
        asleep()

    return held_by(helper)[1]


def alarm_in_c() -> Wait:
    """The same, set past Python's own functions."""

    def helper() -> None:
        ctypes.CDLL(None).alarm(LATE_S)
        asleep()

    return held_by(helper)[1]


def unrecorded() -> Wait:
    """A process that may have set an alarm for all that is known."""
    return subprocess.Popen([sys.executable, "-S", "-c", "import os; os.read(os.pipe()[0], 1)"]).wait


def handed_on() -> Wait:
    """The same, set before the process became another program."""

    def helper() -> None:
        signal.alarm(LATE_S)
        os.execv(sys.executable, [sys.executable, "-S", "-E", "-c", "import os; os.read(os.pipe()[0], 1)"])

    return held_by(helper)[1]


def killer() -> Wait:
    """Who holds the pipe is killed by one that does not."""
    pid, wait = held_by(asleep)
    fork(later(os.kill, pid, signal.SIGKILL))
    return wait


def interrupter() -> Wait:
    """A wait for a lock ends by Ctrl-C, which another process sends."""
    fork(later(os.kill, os.getpid(), signal.SIGINT))

    def wait() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()

    return wait


def headless() -> Wait:
    """A thread goes on when the first of its process has ended."""

    def helper() -> None:
        threading.Thread(target=later(os._exit, 0)).start()
        ctypes.CDLL(None).syscall(EXIT, 0)

    return held_by(helper)[1]


def limit() -> Wait:
    """A socket gives up after a while, by itself."""
    one, other = socket.socketpair()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("ll", LATE_S, 0))

    def wait() -> None:
        read_of(os.dup(one.fileno()))()
        other.close()

    return wait


def semaphore() -> Wait:
    """Somebody who knows its name posts it."""
    from _multiprocessing import SemLock  # type: ignore[import-not-found]

    lock: Lock = multiprocessing.get_context("fork").Lock()
    lock._semlock = SemLock(1, 0, 1, sys.argv[2], False)  # type: ignore[attr-defined]
    return lock.__enter__


def given() -> Wait:
    """Somebody outside is sent the writing end of a pipe, and takes it late."""
    read, write = os.pipe()
    with socket.socket(socket.AF_UNIX) as line:
        line.connect(sys.argv[2])
        socket.send_fds(line, [b"-"], [write])
    os.close(write)
    return read_of(read)


def child() -> Wait:
    """A process that is waited for ends when it has slept."""
    one = subprocess.Popen([sys.executable, "-S", "-c", f"import time; time.sleep({LATE_S})"])
    return one.wait


MODES: dict[str, Callable[[], Wait]] = {
    "never": never, "full": full, "mute": mute, "several": several,
    "unrecorded": unrecorded, "alarm-in-c": alarm_in_c,
    "alarm": alarm, "handed-on": handed_on, "killer": killer, "interrupter": interrupter, "child": child,
    "headless": headless, "limit": limit, "semaphore": semaphore, "given": given,
    "input": lambda: read_of(os.dup(0)), "terminal": lambda: read_of(os.open(sys.argv[2], os.O_RDWR | os.O_NOCTTY)),
    "fifo": lambda: read_of(os.open(sys.argv[2], os.O_RDWR)),
}  # fmt: skip


def main() -> None:
    """Sleep, and end."""
    wait = MODES[sys.argv[1]]()
    if sys.argv[3:] != ["alone"]:
        from mpi4py import MPI

        MPI.COMM_WORLD.Barrier()
    print("up 1", flush=True)
    wait()
    print("done", flush=True)


if __name__ == "__main__":
    main()
