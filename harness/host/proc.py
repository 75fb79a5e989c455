"""What Linux tells of processes in /proc: state, parent, command line, environment; and whether it killed any."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple

from lockstep.harness.program_name import redacted

# Their places behind the program's name.
_FLAGS, _USER_TICKS, _KERNEL_TICKS, _THREADS, _STARTED, _WAIT_STATUS = 6, 11, 12, 17, 19, 49
_LAYOUT = (25, 45, 47)  # where stack, arguments and environment begin, which another program has elsewhere
NAME_CHARACTERS = 40  # of a program that is told
_EXITING = 0x4  # among the flags: its files are being closed, and its children have not been told yet


class Stat(NamedTuple):
    """What is used of /proc/PID/stat."""

    state: str  # one letter
    parent: int
    wait_status: int  # of a zombie, as for waitpid
    started: int  # ticks since the boot of the host: tells it from another process with its number
    flags: int
    ticks: int  # of the processor's time that it has used
    threads: int = 1

    @staticmethod
    def of(pid: int) -> Stat:
        """As it is now. Raises OSError for a process that is gone."""
        # The name of the program, in parentheses, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[_USER_TICKS]) + int(fields[_KERNEL_TICKS])
        wait_status, started, flags, threads = (int(fields[at]) for at in (_WAIT_STATUS, _STARTED, _FLAGS, _THREADS))
        return Stat(fields[0], int(fields[1]), wait_status, started, flags, ticks, threads)

    @property
    def ended(self) -> bool:
        """Whether it only waits to be asked how it ended: all of its threads, not the first of them alone."""
        return self.state in ("Z", "X") and self.threads <= 1

    @property
    def ending(self) -> bool:
        """Whether it has ended or is about to, and does nothing of its own any more."""
        return self.ended or (bool(self.flags & _EXITING) and self.threads <= 1)


def layout(pid: int) -> tuple[str, ...]:
    """Where the memory of a process begins: a fork keeps it, another program does not.

    Raises OSError, ValueError or IndexError where that cannot be seen.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    found = tuple(fields[at] for at in _LAYOUT)
    if "0" in found:
        raise ValueError("it may not be known")
    return found


def waited_for_processor_ns(pid: int) -> int:
    """How long the first thread of a process has wanted a processor and got none; 0 where the kernel does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    except (OSError, LookupError, ValueError):
        return 0


def listed(folder: Path) -> list[Path]:
    """What is in a folder; nothing when it is gone."""
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def with_variable(name: str, value: str) -> list[int]:
    """The processes of this host whose environment holds NAME=VALUE, this one excepted."""
    wanted = f"{name}={value}".encode()
    found: list[int] = []
    for entry in listed(Path("/proc")):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0") and not Stat.of(int(entry.name)).ended:
                found.append(int(entry.name))
    return found


def is_zombie(pid: int) -> bool:
    """Whether a process has ended and only waits to be asked how; one that is gone counts as such."""
    try:
        return Stat.of(pid).ended
    except OSError:
        return True


def name_of(pid: int) -> str:
    """The name of the program that a process runs, cut to what Linux keeps; empty when it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def command_line(pid: int) -> str:
    """A process's command line without what looks like a secret, cut to what a sentence can hold."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return " ".join(redacted([word.decode(errors="replace") for word in words if word]))[:80]
    return "?"


def program_name(pid: int) -> str:
    """What a process was started as, without its folder and arguments, cut to what a sentence can hold."""
    with contextlib.suppress(OSError):
        first = Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].decode(errors="replace")
        return first.partition(" ")[0].rpartition("/")[2][:NAME_CHARACTERS] or "?"
    return "?"


def has_variable(pid: int, name: str, value: str) -> bool:
    """Whether the environment that a process was started with holds NAME=VALUE."""
    with contextlib.suppress(OSError):
        return f"{name}={value}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return False


def is_fork(pid: int, parents: set[int], variable: str) -> bool:
    """Whether a process was started by one of `parents` and has its environment: a fork that does not communicate yet."""
    with contextlib.suppress(OSError, ValueError):
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        return Stat.of(pid).parent in parents and f"{variable}=".encode() in environment
    return False


def has_sockets(pid: int) -> bool:
    """Whether a process has a socket open; True where that may not be seen. Raises OSError of one that is gone."""
    try:
        entries = list(Path(f"/proc/{pid}/fd").iterdir())
    except PermissionError:
        return True
    for entry in entries:
        with contextlib.suppress(OSError):  # it is closed by now
            if str(entry.readlink()).startswith("socket:"):
                return True
    return False


def is_python(pid: int) -> bool:
    """Whether a process runs a Python interpreter."""
    with contextlib.suppress(OSError):
        return "python" in Path(f"/proc/{pid}/exe").readlink().name
    return False


def oom_kills() -> int:
    """How many processes the kernel has killed on this host for want of memory; 0 where it does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0
