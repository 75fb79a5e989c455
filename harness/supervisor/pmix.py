"""Slurm's PMIx kills the whole step when a rank's connection closes before MPI was finalized. Its supervisor therefore
holds the connection open, by a duplicate of the rank's own end, until all may leave. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_PIDFD_GETFD = 438  # on all architectures; Linux 5.6
_ESTABLISHED = "01"
PORT = re.compile(r";tcp[46]://.*:(\d+)$")
EAGER_S, EASY_S = 0.02, 0.25  # between looks: before and after the first connection was found


class HeldConnections:
    """The connections to the server of this step that the processes below a supervisor have made."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        uris = [value for name, value in environ.items() if name.startswith("PMIX_SERVER_URI")]
        self._ports = {int(found[1]) for uri in uris if (found := PORT.search(uri))}
        self._of: dict[int, list[int]] = {}  # process -> our descriptors
        self._next_s = 0.0

    def look(self, processes: Callable[[], Iterable[int]]) -> None:
        """Take hold of connections that are new. Does nothing when it has only just looked."""
        now = time.monotonic()
        if now < self._next_s:
            return
        for pid in processes():
            if pid not in self._of and (found := self._taken(pid)):
                self._of[pid] = found
        self._next_s = now + (EASY_S if self._of else EAGER_S)

    def _taken(self, pid: int) -> list[int]:
        found: list[int] = []
        with contextlib.suppress(OSError):  # it has ended
            inodes = self._inodes(pid)
            there_are = list(Path(f"/proc/{pid}/fd").iterdir()) if inodes else []
            for entry in there_are:
                if os.readlink(entry) in inodes:  # noqa: PTH115  (socket:[...] is no path)
                    found += _duplicate(pid, int(entry.name))
        return found

    def _inodes(self, pid: int) -> set[str]:
        """The sockets that are connected to the server, as links in a process's `fd` name them."""
        rows: list[list[str]] = []
        for table in ("tcp", "tcp6"):
            with contextlib.suppress(FileNotFoundError):  # a kernel without version 6
                rows += [line.split() for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
        ours = [row for row in rows if row[3] == _ESTABLISHED and int(row[2].rpartition(":")[2], 16) in self._ports]
        return {f"socket:[{row[9]}]" for row in ours}


def _duplicate(pid: int, descriptor: int) -> list[int]:
    """A duplicate of another process's descriptor; none where the kernel does not give it."""
    process = os.pidfd_open(pid)
    try:
        copy = _libc.syscall(_PIDFD_GETFD, process, descriptor, 0)
        return [] if copy < 0 else [copy]
    finally:
        os.close(process)
