"""Who could act on the things that threads wait for: on pipes, sockets, events and semaphores.

Read from the kernel when it is asked: everybody who holds either end, since one may be shut down, or opened anew, by who
holds the other. Where somebody may act whom nobody sees there is no answer: of what came from outside, of a socket that
listens or is one of TCP, and of all of them while a descriptor is on its way from one process to another.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lockstep.harness.host.file_locks import held
from lockstep.harness.host.proc import Stat, listed
from lockstep.harness.host.thread_waits import End

SOCK_DIAG, BY_FAMILY, DUMP = 4, 20, 0x301  # netlink's protocol, the request, and its flags: a request for all
LISTENS = "0A"  # a state in /proc/net/tcp
MAPPED = "0000000000000000FFFF0000"  # so begins an address of version 6 that stands for one of version 4
UNIX, SHOW_PEER, PEER = 1, 4, 2
SEMAPHORES = ("semaphore", "named semaphore")
OF_DESCRIPTORS = ("pipe", "socket", "eventfd", "file lock")
BY_KERNEL = ("/[aio]", "anon_inode:[io_uring]")  # mapped by who may have the kernel write for it later
QUIET_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/shm/", "/dev/pts/", "/dev/tty")
LOOKS, BETWEEN_S = 4, 0.01  # more, where a descriptor is on its way
Holders = dict[End, frozenset[int] | None]  # None: not all of them are known
Inherited = frozenset[str]  # pipes and sockets that came from outside, as links of descriptors name them


@dataclass(slots=True)
class _Seen:
    """What a look at all processes has found. `blind`: somebody may hold what is waited for whom nobody sees; `on_way`: that
    is a descriptor which some process has been sent.
    """

    inodes: set[str]
    locks: set[str]  # of files
    events: bool
    mapped: set[str]  # semaphores
    held: dict[tuple[str, str], set[int]] = field(default_factory=lambda: defaultdict(set))
    served: set[int] = field(default_factory=set)  # processes for which a driver, or the kernel, may write into an eventfd
    blind: bool = False
    on_way: bool = False


def inherited() -> Inherited:
    """The pipes and sockets that this process has open: whatever it starts shares them with others outside."""
    found: set[str] = set()
    for entry in listed(Path("/proc/self/fd")):
        with contextlib.suppress(OSError):
            link = str(entry.readlink())
            found |= {link} if link.startswith(("pipe:", "socket:")) else set()
    return frozenset(found)


def holders(ends: Collection[End], below: Iterable[int] = (), outside: Inherited = frozenset()) -> Holders:
    """The processes that could act on each. `below`: those that must be seen, else nothing is known."""
    found: Holders = dict.fromkeys(ends)
    for end in found:
        if end.kind == "child":
            found[end] = frozenset([int(end.name)])
        elif end.kind in ("own", "interruptible", "parked", "forked", "alarm"):
            found[end] = frozenset()
    wanted = {end for end in ends if end.kind in (*OF_DESCRIPTORS, *SEMAPHORES)}
    if not wanted:
        return found
    peers = _peers({end.name for end in wanted if end.kind == "socket"})
    seen = _look(wanted, peers, set(below))
    for _ in range(LOOKS):
        if not seen.on_way:
            break
        time.sleep(BETWEEN_S)  # any process of the host may just be about to take one
        seen = _look(wanted, peers, set(below))
    for end in wanted:
        found[end] = None if seen.blind or seen.on_way else _holders_of(end, peers, seen, outside)
    return found


def _look(wanted: Collection[End], peers: Mapping[str, str], ours: Collection[int]) -> _Seen:
    inodes = {end.name for end in wanted if end.kind in ("pipe", "socket")} | set(peers.values())
    mapped = {end.name for end in wanted if end.kind in SEMAPHORES}
    locks = {end.name for end in wanted if end.kind == "file lock"}
    seen = _Seen(inodes, locks, any(end.kind == "eventfd" for end in wanted), mapped)
    looked_at: set[int] = set()
    while fresh := _processes() - looked_at:  # one that ends meanwhile may have handed all on to one that it started
        looked_at |= fresh
        for pid in fresh:
            if not _holds(pid, seen) and pid in ours:
                seen.blind = True
    return seen


def _processes() -> set[int]:
    return {int(entry.name) for entry in listed(Path("/proc")) if entry.name.isdigit()}


def _holders_of(end: End, peers: Mapping[str, str], seen: _Seen, outside: Inherited) -> frozenset[int] | None:
    """Where nobody is seen somebody is not seen: whoever waits at an end that nobody holds is told so, and waits no more.

    It may live outside of a container, or be another user's.
    """
    held = seen.held
    match end.kind:
        case "socket":
            peer = peers.get(end.name)
            there = held.get(("socket", peer)) if peer is not None else None
            if not there or {f"socket:{end.name}", f"socket:{peer}"} & outside:
                return None
            return frozenset(there | held.get(("socket", end.name), set()))
        case "file lock":
            found = held.get(("lock", end.name))
        case "pipe":
            found = None if f"pipe:{end.name}" in outside else held.get(("pipe", end.name))
        case "eventfd":
            found = held.get(("event", end.name))
            if found and found & seen.served:
                return None
        case _:
            found = held.get(("map", end.name))
    return frozenset(found) if found else None


def _holds(pid: int, seen: _Seen) -> bool:
    """Note what of it a process holds; whether it could be seen. One that has ended holds nothing."""
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            with contextlib.suppress(FileNotFoundError):
                _note(pid, name, seen)
        if seen.mapped or seen.events:
            _note_mapped(pid, seen)
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        with contextlib.suppress(OSError):
            return Stat.of(pid).ending
        return True
    return True


def _note(pid: int, fd: str, seen: _Seen) -> None:
    link = os.readlink(f"/proc/{pid}/fd/{fd}")  # noqa: PTH115
    kind, _, inode = link.partition(":")
    if kind in ("pipe", "socket") and inode in seen.inodes:
        seen.held[kind, inode].add(pid)
    if kind == "socket":
        # Only those of the Unix family have the line: how many descriptors lie there that somebody will receive.
        waiting = re.search(r"^scm_fds:\s+(\d+)", Path(f"/proc/{pid}/fdinfo/{fd}").read_text(), re.MULTILINE)
        if waiting is not None and waiting[1] != "0":
            seen.on_way = True
    elif link == "anon_inode:[eventfd]" and seen.events:
        told = Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
        if ident := re.search(r"^eventfd-id:\s+(\d+)", told, re.MULTILINE):
            seen.held["event", ident[1]].add(pid)
    elif seen.locks and link.startswith("/"):
        for lock in held(pid, fd) & seen.locks:
            seen.held["lock", lock].add(pid)
    if link == "anon_inode:[io_uring]" or (link.startswith("/dev/") and not link.startswith(QUIET_DEVICES)):
        seen.served.add(pid)


def _note_mapped(pid: int, seen: _Seen) -> None:
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(None, 5)
        if f"{fields[3]}:{fields[4]}" in seen.mapped:
            seen.held["map", f"{fields[3]}:{fields[4]}"].add(pid)
        elif len(fields) > 5 and fields[5].startswith(BY_KERNEL):
            seen.served.add(pid)


# --- sockets and their peers ----------------------------------------------------------------------------------------------


def _peers(sockets: set[str]) -> dict[str, str]:
    """Of each connected Unix socket ("[inode]") its peer.

    Of TCP none is known: it may end a wait by itself (a timeout of the socket), and serve others whom nobody sees.
    """
    if not sockets:
        return {}
    try:
        return {f"[{one}]": f"[{other}]" for one, other in _unix_pairs() if f"[{one}]" in sockets}
    except OSError:
        return {}


def listening(sockets: Collection[str]) -> set[int]:
    """The ports at which these sockets ("[inode]") of this host's network listen."""
    here = (row for row in _tcp() if row[3] == LISTENS and f"[{row[9]}]" in sockets)
    return {int(row[1].rpartition(":")[2], 16) for row in here}


def local_server(name: str) -> int | None:
    """The port of the server that a TCP socket ("[inode]") of this host's network is connected to, if that is here too."""
    rows = list(_tcp())
    mine = [(row[1], row[2]) for row in rows if f"[{row[9]}]" == name]
    if len(mine) != 1 or not any((row[2], row[1]) == mine[0] for row in rows):
        return None
    return int(mine[0][1].rpartition(":")[2], 16)


def _tcp() -> Iterator[list[str]]:
    """One line of each connection; addresses of version 4 as those of version 6 that stand for them."""
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
                row = line.split()
                yield [row[0], *(address.removeprefix(MAPPED) for address in row[1:3]), *row[3:]]


def _unix_pairs() -> Iterator[tuple[int, int]]:
    request = struct.pack("<BBHIIIII", UNIX, 0, 0, 0xFFFFFFFF, 0, SHOW_PEER, 0xFFFFFFFF, 0xFFFFFFFF)
    head = struct.pack("<IHHII", 16 + len(request), BY_FAMILY, DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, SOCK_DIAG) as line:
        line.settimeout(2.0)
        line.send(head + request)
        while True:
            raw = line.recv(1 << 18)
            while len(raw) >= 16:
                length, kind = struct.unpack_from("<IH", raw)
                if kind != BY_FAMILY:
                    return
                yield from _pair(raw[16:length])
                raw = raw[(length + 3) & ~3 :]


def _pair(message: bytes) -> Iterator[tuple[int, int]]:
    inode = struct.unpack_from("<I", message, 4)[0]
    at = 16
    while at + 4 <= len(message):
        length, kind = struct.unpack_from("<HH", message, at)
        if kind == PEER and length >= 8:
            yield inode, struct.unpack_from("<I", message, at + 4)[0]
        at += max((length + 3) & ~3, 4)
