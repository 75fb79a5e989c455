"""Who holds the other ends of the things that threads wait for: pipes, sockets and events.

Read from the kernel when it is asked. Where anybody may hold an end whom nobody sees (a socket that listens, one of TCP),
there is no answer; nor of a semaphore, which any process that knows its name may open.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from lockstep.harness.host.proc import Stat, listed
from lockstep.harness.host.thread_waits import BOTH, MODE, READS, WRITES, End

SOCK_DIAG, BY_FAMILY, DUMP = 4, 20, 0x301  # netlink's protocol, the request, and its flags: a request for all
LISTENS = "0A"  # a state in /proc/net/tcp
UNIX, SHOW_PEER, PEER = 1, 4, 2
Holders = dict[End, frozenset[int] | None]  # None: not all of them are known


def holders(ends: Collection[End], below: Iterable[int] = ()) -> Holders:
    """The processes that hold the other end of each. `below`: those that must be seen, else nothing is known."""
    wanted = {end for end in ends if end.kind in ("pipe", "pipe's readers", "socket", "eventfd")}
    found: Holders = dict.fromkeys(ends)
    for end in found:
        if end.kind == "child":
            found[end] = frozenset([int(end.name)])
        elif end.kind == "own":
            found[end] = frozenset()
    if not wanted:
        return found
    peers = _peers({end.name for end in wanted if end.kind == "socket"})
    inodes = {end.name for end in wanted if end.kind.startswith("pipe")} | {peer for peer in peers.values() if peer}
    events = any(end.kind == "eventfd" for end in wanted)
    held: dict[tuple[str, str], set[int]] = defaultdict(set)
    unseen = False
    ours, looked_at = set(below), set[int]()
    while fresh := _processes() - looked_at:  # one that ends meanwhile may have handed all on to one that it started
        looked_at |= fresh
        for pid in fresh:
            seen = _holds(pid, inodes, events, held)
            unseen |= not seen and pid in ours
    for end in wanted:
        if not unseen:
            found[end] = _holders_of(end, peers, held)
    return found


def _processes() -> set[int]:
    return {int(entry.name) for entry in listed(Path("/proc")) if entry.name.isdigit()}


def _holders_of(end: End, peers: Mapping[str, str], held: Mapping[tuple[str, str], set[int]]) -> frozenset[int] | None:
    """Where nobody is seen somebody is not seen: whoever waits at an end that nobody holds is told so, and waits no more.

    It may live outside of a container, or be another user's.
    """
    match end.kind:
        case "pipe":
            seen = held.get(("writes", end.name))
        case "pipe's readers":
            seen = held.get(("reads", end.name))
        case "eventfd":
            seen = held.get(("event", end.name))
        case _:
            seen = held.get(("socket", peers[end.name])) if end.name in peers else None
    return frozenset(seen) if seen else None


def _holds(pid: int, inodes: set[str], events: bool, held: dict[tuple[str, str], set[int]]) -> bool:
    """Note what of it a process holds; whether it could be seen. One that has ended holds nothing."""
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            with contextlib.suppress(FileNotFoundError):
                _note(pid, name, inodes, events, held)
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        with contextlib.suppress(OSError):
            return Stat.of(pid).ending
        return True
    return True


def _note(pid: int, fd: str, inodes: set[str], events: bool, held: dict[tuple[str, str], set[int]]) -> None:
    kind, _, inode = os.readlink(f"/proc/{pid}/fd/{fd}").partition(":")  # noqa: PTH115
    if kind == "pipe" and inode in inodes:
        told = Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
        flags = re.search(r"^flags:\s+([0-7]+)", told, re.MULTILINE)
        mode = int(flags[1], 8) & MODE if flags else BOTH
        if mode in (READS, BOTH):
            held["reads", inode].add(pid)
        if mode in (WRITES, BOTH):
            held["writes", inode].add(pid)
    elif kind == "socket" and inode in inodes:
        held["socket", inode].add(pid)
    elif kind == "anon_inode" and events and inode == "[eventfd]":
        told = Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
        if ident := re.search(r"^eventfd-id:\s+(\d+)", told, re.MULTILINE):
            held["event", ident[1]].add(pid)


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
    found: set[int] = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            rows = [line.split() for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]]
            here = [row for row in rows if row[3] == LISTENS and f"[{row[9]}]" in sockets]
            found |= {int(row[1].rpartition(":")[2], 16) for row in here}
    return found


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
