"""Who has sockets of a process that has ended: they stay open until it closes them or ends too, and peers wait so long.

Whoever was started by a process and outlives it becomes a child of ours, or of one that adopts as we do (systemd, an `init`
of a container), where it is found by the connections that the process had while it lived.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable
from pathlib import Path

from lockstep.harness.host import proc
from lockstep.harness.host.proc import listed

EACH_S = 1.0  # between two looks at who has which connections
CONNECTED = "01"  # a state in /proc/net/tcp


class Heirs:
    """Remembers which connections each process with a recorder had when it was last looked at."""

    def __init__(self) -> None:
        self._held: dict[int, set[str]] = {}  # by process id
        self._due_s = 0.0

    def look(self, recorded: Collection[int], now_s: float) -> None:
        """Note what those that live have now."""
        if now_s < self._due_s:
            return
        self._due_s = now_s + EACH_S
        tables: dict[str, set[str]] = {}  # by network: of a host with many connections each is long
        for pid in recorded:
            network = _network(pid)
            if network not in tables:
                tables[network] = _connections(pid)
            connected = tables[network]
            if found := {link for link in _links(pid) if link.startswith("socket:") and link[8:-1] in connected}:
                self._held[pid] = found

    def found(
        self, ended: Collection[int], alive: Iterable[int], recorded: Collection[int], command: int
    ) -> tuple[int, ...]:
        """Those that may have sockets of one that has ended. `alive`: all below us; `recorded`: who tells of its own."""
        if not ended:
            return ()
        ours = {pid for pid in alive if pid != command and _is_left(pid)}
        lost = set[str]().union(*(self._held.get(pid, set()) for pid in ended))
        others = _processes().difference(recorded, ended, ours) if lost else set()
        return tuple(sorted(ours | {pid for pid in others if not lost.isdisjoint(_links(pid))}))


def _is_left(pid: int) -> bool:
    """Whether who started a process has ended (so that it is a child of ours) and it has sockets: maybe that one's."""
    with contextlib.suppress(OSError):
        return proc.Stat.of(pid).parent == os.getpid() and proc.has_sockets(pid)
    return False


def _processes() -> set[int]:
    return {int(entry.name) for entry in listed(Path("/proc")) if entry.name.isdigit()}


def _links(pid: int) -> set[str]:
    """What the descriptors of a process are; nothing of one that is gone, or another user's."""
    found: set[str] = set()
    with contextlib.suppress(OSError):
        for name in os.listdir(f"/proc/{pid}/fd"):  # noqa: PTH208
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/fd/{name}"))  # noqa: PTH115
    return found


def _network(pid: int) -> str:
    """In which network a process is; its own where that cannot be read."""
    try:
        return os.readlink(f"/proc/{pid}/ns/net")  # noqa: PTH115
    except OSError:
        return str(pid)


def _connections(pid: int) -> set[str]:
    """The inodes of the TCP connections in a process's network."""
    found: set[str] = set()
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            rows = (line.split() for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:])
            found |= {row[9] for row in rows if row[3] == CONNECTED}
    return found
