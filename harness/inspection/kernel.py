"""What Linux tells of a process that is left alone: states and system calls of its threads, and whom its sockets reach."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lockstep.harness.host.proc import Stat, listed
from lockstep.harness.ip_address import with_port
from lockstep.harness.judge.observation import KernelWait

# System calls in which programs wait, by their numbers; those whose first argument is a descriptor are marked.
CALLS = {
    "x86_64": {
        0: "read*", 7: "poll", 23: "select", 35: "nanosleep", 42: "connect*", 43: "accept*", 44: "sendto*", 45: "recvfrom*",
        46: "sendmsg*", 47: "recvmsg*", 61: "wait4", 72: "fcntl*", 73: "flock*", 1: "write*", 130: "sigsuspend",
        202: "futex", 230: "clock_nanosleep", 232: "epoll_wait", 247: "waitid", 270: "pselect6", 271: "ppoll",
        281: "epoll_pwait", 288: "accept4*", 16: "ioctl*",
    },
    "aarch64": {
        63: "read*", 64: "write*", 25: "fcntl*", 29: "ioctl*", 32: "flock*", 72: "pselect6", 73: "ppoll", 95: "waitid",
        98: "futex", 101: "nanosleep", 115: "clock_nanosleep", 22: "epoll_pwait", 202: "accept*", 203: "connect*",
        206: "sendto*", 207: "recvfrom*", 211: "sendmsg*", 212: "recvmsg*", 242: "accept4*", 260: "wait4",
    },
}.get(os.uname().machine, {})  # fmt: skip
THREADS = 64  # of a process, that are looked at
CONNECTING = "02"  # SYN_SENT, in /proc/net/tcp
NONE = "0"
LIBRARIES = {"mpi": ("libmpi",), "torch": ("libtorch_python", "libtorch_cpu"), "cuda": ("libcuda.so", "libcudart")}


class Socket(NamedTuple):
    """A connection: address and port of both ends, and its state."""

    own: str
    other: str
    state: str


def waits(pid: int) -> tuple[KernelWait, ...]:
    """Where each thread is, the main one first. Raises OSError for a process that is gone."""
    Stat.of(pid)
    threads = sorted(
        (int(task.name) for task in listed(Path(f"/proc/{pid}/task"))), key=lambda thread: (thread != pid, thread)
    )
    connections: Mapping[int, Socket] | None = None
    found: list[KernelWait] = []
    for thread in threads[:THREADS]:
        call, descriptor = _call(pid, thread)
        peer = ""
        if descriptor is not None:
            connections = sockets(pid) if connections is None else connections
            peer = connections[descriptor].other if descriptor in connections else ""
        with contextlib.suppress(OSError, ValueError, IndexError):
            state = Path(f"/proc/{pid}/task/{thread}/stat").read_text().rpartition(")")[2].split()[0]
            found.append(KernelWait(thread, state, call, _where(pid, thread), peer))
    return tuple(found)


def sockets(pid: int) -> dict[int, Socket]:
    """The TCP connections of a process by their descriptors."""
    links: dict[str, list[int]] = {}
    for entry in listed(Path(f"/proc/{pid}/fd")):
        with contextlib.suppress(OSError):
            link = str(entry.readlink())
            if link.startswith("socket:["):
                links.setdefault(link[8:-1], []).append(int(entry.name))
    return {number: socket for inode, socket in _connections(pid) for number in links.get(inode, ())}


def connecting(pid: int) -> tuple[str, ...]:
    """Addresses that a process tries to connect to, and that do not answer."""
    return tuple(sorted({socket.other for socket in sockets(pid).values() if socket.state == CONNECTING}))


def processor_seconds(pid: int) -> float:
    """The processor's time that a process has used. Raises OSError when it is gone."""
    return Stat.of(pid).ticks / os.sysconf("SC_CLK_TCK")


def switches(thread: int) -> int:
    """How often a thread was given a processor, or had to leave it. Raises OSError when it is gone."""
    lines = Path(f"/proc/{thread}/status").read_text().splitlines()
    return sum(int(line.partition(":")[2]) for line in lines if "_ctxt_switches" in line)


def is_still(pid: int, started: int) -> bool:
    """Whether a process is the one that was started then, and has not ended. Raises OSError when it is gone."""
    stat = Stat.of(pid)
    return stat.started == started and not stat.ended


def uses_nccl(pid: int) -> bool:
    """Whether a process has NCCL loaded."""
    with contextlib.suppress(OSError):
        return "/libnccl" in Path(f"/proc/{pid}/maps").read_text(errors="replace")
    return False


def libraries(pid: int) -> tuple[str, ...]:
    """Which libraries that communicate a process has loaded."""
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/maps").read_text(errors="replace")
        return tuple(name for name, files in LIBRARIES.items() if any(f"/{file}" in text for file in files))
    return ()


def _call(pid: int, thread: int) -> tuple[str, int | None]:
    """The system call of a thread, and the descriptor that it waits for. Only who may trace a process is told."""
    with contextlib.suppress(OSError, ValueError):
        words = Path(f"/proc/{pid}/task/{thread}/syscall").read_text().split()
        if words[:1] and words[0].isdecimal():
            name = CALLS.get(int(words[0]), f"system call {words[0]}")
            return name.rstrip("*"), int(words[1], 16) if name.endswith("*") and len(words) > 1 else None
    return "", None


def _where(pid: int, thread: int) -> str:
    """The kernel's own function; empty of one that computes."""
    with contextlib.suppress(OSError):
        found = Path(f"/proc/{pid}/task/{thread}/wchan").read_text().strip()
        return "" if found == NONE else found.partition(".")[0]
    return ""


def _connections(pid: int) -> Iterator[tuple[str, Socket]]:
    for family in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/net/{family}").read_text().splitlines()[1:]:
                words = line.split()
                if len(words) > 9:
                    yield words[9], Socket(_address(words[1]), _address(words[2]), words[3])


def _address(text: str) -> str:
    """`127.0.0.1:29500` of what /proc/net/tcp says: words of 32 bits as this machine orders them."""
    host, _, port = text.partition(":")
    raw = b"".join(struct.pack("=I", int(host[at : at + 8], 16)) for at in range(0, len(host), 8))
    found = ipaddress.ip_address(raw)
    mapped = getattr(found, "ipv4_mapped", None)
    return with_port(str(mapped or found), int(port, 16))
