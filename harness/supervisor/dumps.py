"""What other tools know of a hang, asked of a rank while it hangs: NCCL's RAS, PyTorch's Flight Recorder. Supervisor side.

Both are asked from outside and answered by threads of the hung process; a process that does not answer leaves nothing.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from lockstep.harness.ip_address import split_port

RAS_PROTOCOL = 2  # of NCCL 2.24 and later
RAS_TIMEOUT_S = 5.0
RAS_LONGEST_BYTES = 64 << 20  # whatever answers there may not be NCCL, and may never stop
DUMP_TIMEOUT_S = 12.0  # PyTorch looks at its pipe now and then; 5 s were seen
FLIGHT_EVENTS = "2000"
OLD_NAME, PRESENT_NAME_SINCE = "TORCH_NCCL_TRACE_BUFFER_SIZE", (2, 10)
PIPE, DUMP = "flight-pipe-", "flight-dump-"


def dump_environment(environ: Mapping[str, str], rank: int) -> dict[str, str]:
    """What makes a rank's PyTorch keep a Flight Recorder and dump it on request, and NCCL name its threads, by which we know
    them. What the user has set stays."""
    folder = environ.get("TMPDIR", "")
    if not folder:
        return {}
    wanted = {
        "TORCH_FR_BUFFER_SIZE": FLIGHT_EVENTS,
        "TORCH_NCCL_DEBUG_INFO_PIPE_FILE": f"{folder}/{PIPE}{rank}-",
        "TORCH_NCCL_DEBUG_INFO_TEMP_FILE": f"{folder}/{DUMP}{rank}-",
        "TORCH_FR_DUMP_TEMP_FILE": f"{folder}/{DUMP}{rank}-",
        "NCCL_SET_THREAD_NAME": "1",
    }
    if not knows_present_name(sys.path):
        wanted[OLD_NAME] = FLIGHT_EVENTS
    return {name: value for name, value in wanted.items() if name not in environ}


def knows_present_name(path: Sequence[str]) -> bool:
    """Whether the torch that is found there prints a warning over the variable's old name. Read from its file: to import
    torch, or what knows of packages, takes its time in each supervisor."""
    for folder in path:
        with contextlib.suppress(OSError):
            found = re.search(r"__version__ = '(\d+)\.(\d+)", Path(folder, "torch/version.py").read_text())
            return found is not None and (int(found[1]), int(found[2])) >= PRESENT_NAME_SINCE
    return False


def dumps(environ: Mapping[str, str], rank: int) -> Iterator[tuple[str, bytes]]:
    """File name and content of each dump that this rank gives."""
    flight = flight_recorder(Path(environ.get("TMPDIR", "")), rank)
    if flight is not None:
        yield f"flight-recorder-rank-{rank}.pickle", flight
    if "NCCL_RAS_ADDR" in environ:
        status = ras(environ["NCCL_RAS_ADDR"])
        if status is not None:
            yield "nccl-ras.json", status


def flight_recorder(folder: Path, rank: int) -> bytes | None:
    """The Flight Recorder of this rank, pickled; None where it has none or does not answer in time."""
    pipes = list(folder.glob(f"{PIPE}{rank}-*.pipe"))
    if not pipes:
        return None
    for pipe in pipes:
        with contextlib.suppress(OSError):
            descriptor = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)  # refused when nobody reads it any more
            os.write(descriptor, b"1")
            os.close(descriptor)
    deadline = time.monotonic() + DUMP_TIMEOUT_S
    size = -1
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):  # its writer may move it at any moment
            for path in folder.glob(f"{DUMP}{rank}-*"):
                last, size = size, path.stat().st_size
                if size > 0 and size == last:  # written to its end
                    return path.read_bytes()
        time.sleep(0.1)
    return None


def ras(address: str, timeout_s: float = RAS_TIMEOUT_S) -> bytes | None:
    """The status of all NCCL communicators of the job as JSON; None where nobody answers at `address` (host:port).

    Takes no more than twice `timeout_s` in all: NCCL itself may wait once for ranks that are silent.
    """
    deadline = time.monotonic() + 2 * timeout_s
    with contextlib.suppress(OSError, ValueError):
        with socket.create_connection(split_port(address), timeout_s) as connection:
            for request in (f"CLIENT PROTOCOL {RAS_PROTOCOL}", f"TIMEOUT {int(timeout_s)}", "SET FORMAT json"):
                connection.sendall(request.encode() + b"\n")
                answer = _receive(connection, deadline, b"\n")
                if answer.startswith(b"ERROR") or not answer:
                    return None  # an NCCL before 2.28.7 has no JSON
            connection.sendall(b"VERBOSE STATUS\n")
            return _receive(connection, deadline) or None
    return None


def _receive(connection: socket.socket, deadline: float, end: bytes = b"") -> bytes:
    """All that comes until `end`, or until the other side closes. Raises TimeoutError and ValueError for what never does."""
    found = bytearray()
    while not (end and found.endswith(end)):
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(1 << 16)
        if not part:
            break
        found += part
        if len(found) > RAS_LONGEST_BYTES:
            raise ValueError("not the status of NCCL's communicators")
    return bytes(found)
