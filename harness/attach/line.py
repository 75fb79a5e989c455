"""The line of a recorded process to its supervisor: hands over its ring, and answers questions."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
from _thread import allocate_lock, get_ident, start_new_thread
from collections.abc import Callable

from lockstep.harness.environment import ATTACH

CONNECT_S = 10.0
BEGIN_S = 10.0  # what the thread that answers is given to begin


class Line:
    """Where no supervisor answers, there is none: the recorder then writes to memory that nobody reads."""

    def __init__(self, fd: int) -> None:
        self._socket = _hand_over(fd)

    @classmethod
    def on(cls, fd: int) -> Line:
        """The line on which a ring was handed over already."""
        found = cls.__new__(cls)
        found._socket = socket.socket(fileno=os.dup(fd))
        return found

    @property
    def connected(self) -> bool:
        """Whether a supervisor is there to ask."""
        return self._socket is not None

    def answer(self, standing: Callable[[int], dict[str, object]]) -> None:
        """Answer questions from now on, in a thread that `threading` does not know of.

        `standing`: what is told where no dump is asked for; it is given the thread that answers. It has begun when this
        returns: else it may find Python's lock held (by MPI_Init, while mpi4py is loaded) and look like a thread of the
        program that is about to begin.
        """
        if self._socket is not None:
            begun = allocate_lock()
            begun.acquire()
            start_new_thread(_answer, (self._socket, standing, begun.release))
            begun.acquire(timeout=BEGIN_S)

    def close(self) -> None:
        """In a forked child: the line belongs to the parent."""
        if self._socket is not None:
            self._socket.close()


def _hand_over(fd: int) -> socket.socket | None:
    """Give the ring to the supervisor."""
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        line.settimeout(CONNECT_S)
        line.connect(os.environ[ATTACH])
        hello = json.dumps({"pid": os.getpid(), "argv": sys.orig_argv[:8]}).encode() + b"\n"
        socket.send_fds(line, [hello], [fd])
        line.settimeout(None)
    except (OSError, KeyError):
        line.close()
        return None
    return line


def _answer(line: socket.socket, standing: Callable[[int], dict[str, object]], begun: Callable[[], None]) -> None:
    me = get_ident()
    begun()
    with contextlib.suppress(OSError, ValueError):
        for raw in line.makefile("rb"):
            question = json.loads(raw)
            answer: dict[str, object] = {"epoch": question["epoch"]}
            if question.get("dump"):
                answer["dump"] = _flight_recorder()
            else:
                answer |= standing(me)
            line.sendall(json.dumps(answer).encode() + b"\n")


def _flight_recorder() -> str:
    """PyTorch's Flight Recorder of this process as JSON; empty where it has none."""
    c10d = sys.modules.get("torch._C._distributed_c10d")
    dump = getattr(c10d, "_dump_fr_trace_json", None) or getattr(c10d, "_dump_nccl_trace_json", None)
    try:
        found = dump() if dump is not None else ""
    except Exception:
        return ""
    return found if isinstance(found, str) else bytes(found).decode(errors="replace")
