"""Two ranks of MPI that wait for each other until something rare lets one go on: `woken_ranks.py timer|interrupted`."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from typing import Any

from mpi4py import MPI

LATE_S = 8  # when the knot would have been proved long since
world = MPI.COMM_WORLD
other = world.Dup()
callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class Event(ctypes.Structure):
    """sigevent of the C library: call a function, on a thread of its own."""

    _fields_ = (("value", ctypes.c_void_p), ("signal", ctypes.c_int), ("notify", ctypes.c_int), ("call", callback),
                ("attributes", ctypes.c_void_p), ("rest", ctypes.c_char * 64))  # fmt: skip


class Times(ctypes.Structure):
    """itimerspec: the interval, and the first time."""

    _fields_ = tuple((name, ctypes.c_long) for name in ("every_s", "every_ns", "first_s", "first_ns"))


@callback  # type: ignore[untyped-decorator]
def fire(_: Any) -> None:
    """What the C library's timer calls."""
    other.Send(bytearray(8), dest=1, tag=5)


def timer() -> None:
    """Rank 0 waits, and its timer's thread sends what rank 1 waits for before it answers."""
    if world.rank:
        other.Recv(bytearray(8), source=0, tag=5)
        other.Send(bytearray(8), dest=0, tag=6)
        return
    library, made = ctypes.CDLL(None), ctypes.c_void_p()
    assert library.timer_create(1, ctypes.byref(Event(notify=2, call=fire)), ctypes.byref(made)) == 0
    assert library.timer_settime(made, 0, ctypes.byref(Times(first_s=LATE_S)), None) == 0
    other.Recv(bytearray(8), source=1, tag=6)


def interrupted() -> None:
    """Rank 1 waits for its thread, which waits for rank 0, and is sent Ctrl-C by a process that rank 0 has started."""
    if world.rank == 0:
        pid = world.recv(source=1)
        subprocess.Popen(["setsid", "sh", "-c", f"sleep {LATE_S}; kill -INT {pid}"])
        world.recv(source=1)
        other.Send(bytearray(4), 1, 5)
        return
    world.send(os.getpid(), 0)
    thread = threading.Thread(target=lambda: other.Recv(bytearray(4), 0, 5), daemon=True)
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        world.send(1, 0)
    thread.join()


{"timer": timer, "interrupted": interrupted}[sys.argv[1]]()
