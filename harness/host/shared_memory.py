"""Files of shared memory: which a process maps, which MPI libraries have made, which nobody needs any more."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from lockstep.harness.host.proc import listed

SHM = "/dev/shm/"
SECOND_LOOK_S = 0.2
MPI_SHARED_MEMORY = ("mpich_shm_", "ucx_shm_posix_", "sm_segment.", "vader_segment.", "osc_sm")  # MPICH, its UCX; Open MPI


def mapped_by(pid: int) -> set[str]:
    """The files in /dev/shm that a process maps."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        paths = {line[line.index(SHM) :] for line in lines if SHM in line}
        return {path for path in paths if not path.endswith("(deleted)")}
    return set()


def made_by_mpi() -> set[str]:
    """The files in /dev/shm that belong to this user and that MPI libraries make."""
    return {str(path) for path in listed(Path(SHM)) if path.name.startswith(MPI_SHARED_MEMORY) and _is_mine(path)}


def unmapped(paths: set[str]) -> set[str]:
    """Those of `paths` that no process maps any more."""
    mapped: set[str] = set()
    for entry in listed(Path("/proc")) if paths else ():
        if entry.name.isdigit():
            mapped |= mapped_by(int(entry.name))
    return paths - mapped


def abandoned(paths: set[str]) -> set[str]:
    """Those of `paths` that no process maps, also a moment later: another job may have made one and not mapped it yet."""
    found = unmapped(paths)
    if found:
        time.sleep(SECOND_LOOK_S)
        found = unmapped(found)
    return found


def remove_files(paths: Iterable[str]) -> list[str]:
    """Unlink files that killed ranks left behind; the ones that were there."""
    removed: list[str] = []
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            Path(path).unlink()
            removed.append(path)
    return removed


def _is_mine(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.geteuid()
    except OSError:
        return False
