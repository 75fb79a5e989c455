"""Whether a process may have an alarm under way: a timer of the kernel that it tells nobody of, and that ends the process.

It stays when the process becomes another program. Python tells of those that it sets, or was given, where our recorder is in
it; of another process is known only whether its files ask the C library for one.
"""

from __future__ import annotations

import functools
import mmap
import re
from collections.abc import Collection
from pathlib import Path

from lockstep.harness.host.proc import Stat, layout, listed, name_of

RECORDED = (
    "/memfd:lockstep-recorder"  # so begins the link of a descriptor by which a recorded Python is known: attach/imports
)
ALARM = 14
ASKED = (b"\0alarm\0", b"\0ualarm\0", b"\0setitimer\0")  # as a file names what it asks for
C_LIBRARY = ("libc.so", "libc-", "ld-linux", "ld-musl", "libpthread", "librt")  # those that have these functions
# Launchers of MPI set none; shells only while they wait for their user, with a handler; so begin the names of their files.
LAUNCHERS = ("mpiexec", "mpiexec.hydra", "mpirun", "hydra_pmi_proxy", "prte", "prterun", "prted", "srun", "slurmstepd")
NOT_BY_DEFAULT = ("sh", "bash", "dash", "zsh", "ksh", "python", "libpython")  # ... nor Python, unless a program asks it to


def may_have_alarm(pid: int) -> bool:
    """Whether an alarm that nobody has told of would end a process. Raises OSError where it cannot be looked at."""
    return not (name_of(pid) in LAUNCHERS or _is_recorded(pid) or _is_spared(pid))


def file_with_alarms(pid: int) -> str:
    """The name of a file of a process's program that asks for alarms; empty: none does."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    files = set(re.findall(r"^\S+ ..x. .*? (/\S.*)$", maps, re.MULTILINE))
    names = {file.rpartition("/")[2]: file for file in files}
    of_program = {name: file for name, file in names.items() if not name.startswith((*C_LIBRARY, *NOT_BY_DEFAULT))}
    return next((name for name, file in sorted(of_program.items()) if _asks(file)), "")


def unchanged_programs(pids: Collection[int], command: int, file: str) -> set[int]:
    """Those that are the program of a command that was started from `file`, or were forked by it and are no other."""
    try:
        if not Path(f"/proc/{command}/exe").samefile(file):
            return set()
    except OSError:
        return set()
    found = {command}
    while more := {pid for pid in pids if pid not in found and _is_fork(pid, found)}:
        found |= more
    return found


def _is_fork(pid: int, parents: Collection[int]) -> bool:
    try:
        parent = Stat.of(pid).parent
        return parent in parents and layout(pid) == layout(parent)
    except (OSError, ValueError, IndexError):
        return False


def _is_recorded(pid: int) -> bool:
    return any(str(entry.readlink()).startswith(RECORDED) for entry in listed(Path(f"/proc/{pid}/fd")) if entry.is_symlink())


def _is_spared(pid: int) -> bool:
    """Whether none of its threads would take the signal."""
    texts = [(task / "status").read_text() for task in listed(Path(f"/proc/{pid}/task"))]
    return bool(texts) and all(_has(text, "SigBlk") or _has(text, "SigIgn") for text in texts)


def _has(status: str, mask: str) -> bool:
    found = re.search(rf"^{mask}:\s+(\S+)", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> (ALARM - 1) & 1)


@functools.cache
def _asks(file: str) -> bool:
    try:
        with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, prot=mmap.PROT_READ) as memory:  # noqa: PTH123
            return any(memory.find(name) >= 0 for name in ASKED)
    except (OSError, ValueError):
        return False  # it is gone, or in another container: as of a program that asks in a way of its own
