"""What may wake a process, or end it, beside what its threads wait for: timers, signals, a tracer, the kernel's work for it.

Each is told in a sentence. Nothing of the program notices it.
"""

from __future__ import annotations

import contextlib
import re
import stat
from pathlib import Path

from lockstep.harness.host.proc import listed

# Signals whose handlers change nothing: Ctrl-C, which nobody sends; errors of the process itself; the end of a child, which
# is a process of the job; the C library's own.
HARMLESS = (2, 4, 5, 6, 7, 8, 11, 17, 32, 33)
OF_QUEUE = 80  # the size of the file that a queue of messages is seen as
ASYNC = 0o20000  # of a descriptor: the kernel sends a signal when there is something to read


def wakers(pid: int, tells_handlers: bool = False) -> list[str]:
    """Of a process that seems to sleep; one that cannot be read may have all of them.

    `tells_handlers`: whether it tells of its handlers itself, so that those of libraries are left out, which nobody calls.
    """
    try:
        status = dict(re.findall(r"^(\w+):\s+(.*)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE))
        found = [
            *_signals(pid, status, tells_handlers),
            *([f"process {pid} is traced by process {status['TracerPid']}"] if status["TracerPid"] != "0" else []),
            *([f"process {pid} has armed a timer"] if _has_timer(pid) else []),
        ]
    except (OSError, LookupError, ValueError) as error:
        return [f"what may wake process {pid} cannot be read ({type(error).__name__})"]
    return [*found, *_descriptors(pid)]


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler of a signal; where that cannot be read it may."""
    try:
        return number in caught(pid)
    except (OSError, ValueError):
        return True


def caught(pid: int) -> set[int]:
    """The signals for which a process has a handler. Raises OSError or ValueError where that cannot be read."""
    found = re.search(r"^SigCgt:\s+(\S+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return set(_numbers(found[1] if found else ""))


def _signals(pid: int, status: dict[str, str], told: bool) -> list[str]:
    found: list[str] = []
    handled = [] if told else [number for number in _numbers(status["SigCgt"]) if number not in HARMLESS]
    if handled:
        found.append(f"process {pid} has handlers of signals ({', '.join(map(str, handled))})")
    if _numbers(status["ShdPnd"]):
        found.append(f"a signal to process {pid} is pending")
    return found


def _numbers(mask: str) -> list[int]:
    bits = int(mask, 16)
    return [number for number in range(1, 65) if bits >> (number - 1) & 1]


def _has_timer(pid: int) -> bool:
    """One of timer_create. Where the kernel does not tell of them there may be one."""
    return bool(Path(f"/proc/{pid}/timers").read_text().strip())


def _descriptors(pid: int) -> list[str]:
    for entry in listed(Path(f"/proc/{pid}/fd")):
        with contextlib.suppress(FileNotFoundError):
            told = Path(f"/proc/{pid}/fdinfo/{entry.name}").read_text()
            link = str(entry.readlink())
            if "[io_uring]" in link and not is_idle(told):
                return [f"process {pid} has work that the kernel does for it (io_uring)"]
            flags = re.search(r"^flags:\s+([0-7]+)", told, re.MULTILINE)
            if flags and int(flags[1], 8) & ASYNC:
                return [f"process {pid} is sent a signal when something comes (O_ASYNC), or somebody opens a file (a lease)"]
            if link.startswith("/") and (what := _signals_of(entry, told)):
                return [f"process {pid} may be sent a signal when {what}"]
    return []


def _signals_of(entry: Path, told: str) -> str:
    """What of an open file may send signals, of which the kernel does not tell whether it does; empty: nothing."""
    status = entry.stat()
    if stat.S_ISDIR(status.st_mode):
        return "a folder changes that it has open (F_NOTIFY)"
    mounted = re.search(r"^mnt_id:\s+(\d+)", told, re.MULTILINE)
    if not stat.S_ISREG(status.st_mode) or status.st_size != OF_QUEUE or mounted is None:
        return ""
    # A queue lies in a file system that is mounted nowhere.
    mounts = (entry.parent.parent / "mountinfo").read_text()
    hidden = not re.search(rf"^{mounted[1]} ", mounts, re.MULTILINE) and not str(entry.readlink()).startswith("/memfd:")
    return "a message comes to a queue (mq_notify)" if hidden else ""


def is_idle(ring: str) -> bool:
    """Whether all that was ever given to an io_uring has been done, as its lines in /proc say."""
    told = dict(re.findall(r"^(\w+):[ \t]*(\d+)$", ring, re.MULTILINE))
    heads = [told.get(name) for name in ("SqHead", "SqTail", "CachedSqHead", "CachedCqTail")]
    waits_for_none = re.search(r"^PollList:\nCqOverflowList:(?:\n\S|\s*\Z)", ring, re.MULTILINE)
    return None not in heads and len(set(heads)) == 1 and waits_for_none is not None
