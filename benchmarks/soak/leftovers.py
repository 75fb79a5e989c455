"""What a launch has left: processes, shared memory, temporary files, ports. Only what is surely its own is told."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.soak import isolation
from benchmarks.soak.disturbance import MARK
from lockstep.harness.host import proc, shared_memory

LISTENS = "0A"  # a state in /proc/net/tcp


class Leftovers:
    """Against what was there before the launch; `mark`: in the environment of all that it starts."""

    def __init__(self, mark: str) -> None:
        self._mark = mark
        self._before = self._files() | set(ports())

    def found(self) -> list[str]:
        """A line for each; none when all is as it was."""
        processes = sorted(set(proc.with_variable(MARK, self._mark)) - {os.getpid()})
        files = self._files() - self._before
        shared = {file for file in files if file.startswith(shared_memory.SHM)}
        stay = files - shared | shared_memory.unheld(shared)
        return [f"process {pid}" for pid in processes] + sorted(stay) + sorted(set(ports()) - self._before)

    def _files(self) -> set[str]:
        """In a /dev/shm and a /tmp of its own all; else those of MPI, and of ours in the folder for temporary files."""
        found = {str(path) for path in Path(tempfile.gettempdir()).glob("lockstep-*")}
        if isolation.own("/tmp"):
            found |= {str(path) for path in Path("/tmp").iterdir() if not Path(tempfile.gettempdir()).is_relative_to(path)}
        found |= shared_memory.made_by_mpi()
        if isolation.own("/dev/shm"):
            # Those of MPI may stay in a container, as docs/security.md says; they are looked at where they may not.
            of_mpi = shared_memory.MPI_SHARED_MEMORY
            found |= {str(path) for path in Path("/dev/shm").iterdir() if not path.name.startswith(of_mpi)}
        return found


def ports() -> list[str]:
    """Those at which somebody listens, in a network of its own; elsewhere nobody knows whose they are."""
    if not isolation.inside():
        return []
    lines = [line.split() for table in ("tcp", "tcp6") for line in _table(table)]
    return sorted({f"port {int(row[1].rpartition(':')[2], 16)}" for row in lines if row[3] == LISTENS})


def _table(name: str) -> list[str]:
    place = Path("/proc/self/net") / name
    return place.read_text().splitlines()[1:] if place.is_file() else []
