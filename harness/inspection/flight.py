"""The Flight Recorder of a process that answers: PyTorch's worker server, at the socket that the job has given it.

It is hostile input: bounded in time and size, and read as plain data.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Mapping
from typing import Any

from lockstep.harness.watchdog.dump_decoding import read_json

SOCKET = "TORCH_WORKER_SERVER_SOCKET"
TIMEOUT_S = 5.0
LONGEST_BYTES = 64 << 20
REQUEST = b"POST /handler/fr_trace_json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


def flight_recorder(variables: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """What the process says that was started with these variables; empty where it has no server, or does not answer."""
    path = variables.get(SOCKET, "")
    if not path:
        return {}
    with contextlib.suppress(OSError, ValueError):
        raw = _asked(path, timeout_s)
        head, end, body = raw.partition(b"\r\n\r\n")
        if end and b" 200 " in head.partition(b"\r\n")[0] + b" ":
            found = read_json(body)
            return found if "entries" in found else {}
    return {}


def _asked(path: str, timeout_s: float) -> bytes:
    """All that comes until the other side closes. Raises TimeoutError and ValueError for what never does."""
    deadline = time.monotonic() + timeout_s
    found = bytearray()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout_s)
        connection.connect(path)
        connection.sendall(REQUEST)
        while (left := deadline - time.monotonic()) > 0:
            connection.settimeout(left)
            part = connection.recv(1 << 16)
            if not part:
                return bytes(found)
            found += part
            if len(found) > LONGEST_BYTES:
                raise ValueError("no Flight Recorder is as long")
    raise TimeoutError
