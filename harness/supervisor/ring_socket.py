"""Where processes that the recorder attached itself to hand over their rings: a socket in a private folder."""

from __future__ import annotations

import array
import contextlib
import json
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from lockstep.harness.trace.ring import Ring

HELLO_BYTES = 65_536
HELLO_S = 2.0
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class Handover(NamedTuple):
    """A process that came: its id as the kernel tells it, its ring, the open line to it, and what it says of itself."""

    pid: int
    ring: Ring
    line: socket.socket
    hello: dict[str, Any]


class RingSocket:
    """Listens in `folder`, which only this user may enter."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(self.path))
        self._socket.listen(128)
        self._socket.setblocking(False)

    def arrivals(self) -> Iterator[Handover]:
        """Those that came since the last call. What is no ring of ours is sent away."""
        while self._socket.fileno() >= 0:
            try:
                line, _ = self._socket.accept()
            except BlockingIOError:
                return
            found = _receive(line)
            if found is None:
                line.close()
            else:
                yield found

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()
        self.path.unlink(missing_ok=True)


def _receive(line: socket.socket) -> Handover | None:
    line.settimeout(HELLO_S)
    fds: list[int] = []
    try:
        pid, uid, _ = _CREDENTIALS.unpack(line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
        raw, ancillary, _, _ = line.recvmsg(HELLO_BYTES, socket.CMSG_SPACE(4 * array.array("i").itemsize))
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
                fds += numbers
        hello = json.loads(raw)
        if uid != os.getuid() or len(fds) != 1 or not isinstance(hello, dict):
            raise ValueError("not a process of ours")
        ring = Ring.adopt(fds[0])
        line.setblocking(False)
        return Handover(pid, ring, line, hello)
    except (OSError, ValueError):
        for fd in fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        return None
