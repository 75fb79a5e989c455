"""Files of shared memory: which a process maps, which MPI libraries have made, which nobody needs any more."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from pathlib import Path

from lockstep.harness.host.proc import listed

SHM = "/dev/shm/"
DELETED = "(deleted)"
SECOND_LOOK_S = 0.2
_HOSTS_PIDS = "pid:[4026531836]"  # the kernel's fixed number of its first PID namespace
MPI_SHARED_MEMORY = (
    "mpich_shm_", "mpich_shar_tmp", "ucx_shm_posix_",  # MPICH, its UCX
    "sm_segment.", "vader_segment.", "osc_sm",  # Open MPI
)  # fmt: skip
OTHERS = ("nccl-", "torch_", "psm_", "sem.mp-")  # NCCL, torch's tensors between processes, Python's shared memory and locks


def mapped_by(pid: int) -> set[str]:
    """The files in /dev/shm that a process maps, by the names that they have now.

    glibc makes a semaphore under a passing name, which stays the one in the table of mappings: it is found by its inode.
    """
    with contextlib.suppress(OSError):
        lines = [line for line in Path(f"/proc/{pid}/maps").read_text().splitlines() if SHM in line]
        passing = {_file(line) for line in lines if line.endswith(DELETED)}
        paths = {line[line.index(SHM) :] for line in lines if not line.endswith(DELETED)}
        return paths | (_named(passing) if passing else set())
    return set()


def _file(line: str) -> tuple[int, int]:
    """Device and inode of a line of the table of mappings."""
    _, _, _, device, inode, *_ = line.split()
    major, _, minor = device.partition(":")
    return os.makedev(int(major, 16), int(minor, 16)), int(inode)


def _named(files: set[tuple[int, int]]) -> set[str]:
    found: set[str] = set()
    for path in listed(Path(SHM)):
        with contextlib.suppress(OSError):
            status = path.lstat()
            if (status.st_dev, status.st_ino) in files:
                found.add(str(path))
    return found


def open_in(pid: int) -> set[str]:
    """The files in /dev/shm that a process has open, mapped or not."""
    found: set[str] = set()
    for entry in listed(Path(f"/proc/{pid}/fd")):
        with contextlib.suppress(OSError):
            target = os.readlink(entry)  # noqa: PTH115  (a text, which may lead to no file)
            if target.startswith(SHM):
                found.add(target)
    return found


def made_by_mpi() -> set[str]:
    """The files in /dev/shm that belong to this user and that MPI libraries make. None where not all processes of the host
    are seen: one in another PID namespace, a container, may need a file that nobody here has open."""
    if not _sees_all():
        return set()
    return {str(path) for path in listed(Path(SHM)) if path.name.startswith(MPI_SHARED_MEMORY) and _is_mine(path)}


def unheld(paths: set[str]) -> set[str]:
    """Those of `paths` that no process maps or has open any more."""
    held: set[str] = set()
    for entry in listed(Path("/proc")) if paths else ():
        if entry.name.isdigit():
            held |= mapped_by(int(entry.name)) | open_in(int(entry.name))
    return paths - held


def _sees_all() -> bool:
    """Whether this is the host's own PID namespace."""
    with contextlib.suppress(OSError):
        return os.readlink("/proc/self/ns/pid") == _HOSTS_PIDS  # noqa: PTH115  (a name, no path)
    return False


def abandoned(paths: set[str]) -> set[str]:
    """Those of `paths` that no process holds, also a moment later: another job may be on its way from one to the next."""
    found = unheld(paths)
    if found:
        time.sleep(SECOND_LOOK_S)
        found = unheld(found)
    return found


def remove_files(paths: Iterable[str]) -> list[str]:
    """Unlink files that killed ranks left behind; the ones that were there.

    Only what bears a name that libraries make: a file that a program maps may be its weights, or its results. MPI's name
    the job; of other libraries' those that no process holds. Whoever has told of one may be wrong.
    """
    named = [path for path in paths if _name(path).startswith(MPI_SHARED_MEMORY + OTHERS)]
    others = {path for path in named if _name(path).startswith(OTHERS)}
    removed: list[str] = []
    for path in [*(path for path in named if path not in others), *unheld(others)]:
        with contextlib.suppress(OSError):
            Path(path).unlink()
            removed.append(path)
    return removed


def _name(path: str) -> str:
    """Of a file directly in /dev/shm; empty for any other."""
    name = path.removeprefix(SHM)
    return "" if name == path or "/" in name else name


def _is_mine(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.geteuid()
    except OSError:
        return False
