"""What the kernel says that each thread of a process waits for: the system call, whether it has a limit, and the things.

Nothing of the program notices it. A thread whose counts of switches are the same at two moments has not run between them.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from lockstep.harness.host.file_locks import keeps
from lockstep.harness.host.proc import listed
from lockstep.harness.host.socket_limits import has_limit

DEEPEST = 4  # epoll descriptors inside of epoll descriptors
MOST_FDS = 4096  # of one poll
FOLDER = "/dev/shm"
SEMAPHORE = f"{FOLDER}/sem."  # so begin the files of semaphores
OF_PYTHON = "sem.mp-"  # ... and those of multiprocessing, which tells their names to nobody but processes that it starts
FOREVER = 0xFFFFFFFF  # -1 as a system call is given it
WAIT, WAIT_BITSET = 0, 9  # operations of a futex that wait for another thread
_CALLS: dict[str, dict[int, str]] = {
    "x86_64": {
        0: "read", 1: "write", 7: "poll", 19: "read", 20: "write", 23: "select", 35: "sleep", 43: "accept", 44: "write",
        45: "read", 46: "write", 47: "read", 61: "wait4", 72: "fcntl",
        73: "flock", 202: "futex", 230: "sleep", 232: "epoll_wait", 247: "waitid",
        270: "select", 271: "ppoll", 281: "epoll_wait", 288: "accept",
    },
    "aarch64": {
        22: "epoll_wait", 25: "fcntl", 32: "flock",
        63: "read", 64: "write", 65: "read", 66: "write", 72: "select", 73: "ppoll", 95: "waitid",
        98: "futex", 101: "sleep", 115: "sleep", 202: "accept", 206: "write", 207: "read", 211: "write", 212: "read",
        242: "accept", 260: "wait4",
    },
}  # fmt: skip
CALLS = _CALLS.get(os.uname().machine, {})
# Where the kernel keeps a thread for others: a freezer of control groups, a tracer, who answers for the kernel (seccomp).
KEPT = ("get_signal", "do_freezer_trap", "__refrigerator", "do_signal_stop", "ptrace_stop", "seccomp_do_user_notification")
SET_LOCK = 7  # of fcntl: F_SETLKW
P_ALL, P_PID = 0, 1  # whom waitid waits for


class End(NamedTuple):
    """One end of a thing that a thread waits for: somebody who holds the other end may end the wait."""

    kind: str  # pipe, socket, eventfd, (named) semaphore, file lock, child, own, interruptible; else anybody may end it
    name: str  # of the thing, as this host knows it


class ThreadWait(NamedTuple):
    """One thread. `call`: empty when it is at work, or not known. `steps`: changes whenever it has run."""

    thread: int
    call: str
    timed: bool
    ends: tuple[End, ...]
    steps: tuple[int, ...]
    fd: int = -1  # the one descriptor that it reads or writes; -1: none, or several

    @property
    def sleeps(self) -> bool:
        """Whether it waits, and nothing but what it waits for can end that."""
        return bool(self.call) and not self.timed and bool(self.ends)


OWN = End("own", "")  # another thread of the same process
INTERRUPTIBLE = End("interruptible", "")  # ... or whoever sends it Ctrl-C
FORKED = End("forked", "")  # ... or who sends a signal to one that was forked, and has handlers of its parent's libraries
ALARM = End("alarm", "")  # ... or an alarm, of a process that tells of none
PARKED = End("parked", "")  # ... which it may well wait for, as a server does
OUTSIDE = "outside"


def thread_waits(pid: int) -> list[ThreadWait]:
    """Of all threads of a process; none of one that is gone, or that may not be looked at."""
    found = (_thread(pid, task.name) for task in listed(Path(f"/proc/{pid}/task")))
    return sorted(one for one in found if one is not None)


def _thread(pid: int, thread: str) -> ThreadWait | None:
    folder = Path(f"/proc/{pid}/task/{thread}")
    try:
        before = steps(folder)
        words = (folder / "syscall").read_text().split()
        call, timed, ends = _call(pid, words)
        if not before or steps(folder) != before or is_kept(folder):
            call = ""
    except (OSError, ValueError, IndexError, struct.error):
        # Of a thing that is gone nothing is known; only of a thread that is gone there is nothing to know.
        return ThreadWait(int(thread), "", False, (), ()) if folder.exists() else None
    fd = int(words[1], 16) if call in ("read", "write", "accept") else -1
    return ThreadWait(int(thread), call, timed, ends if call else (), before, fd)


def is_kept(folder: Path) -> bool:
    """Whether somebody else keeps a thread (its folder in /proc) from running: then it may have been woken long since.

    A frozen one looks as if it still slept in what it had called, and so does one whose call another process answers.
    """
    state = re.search(r"^State:\s+(\S)", (folder / "status").read_text(), re.MULTILINE)
    return state is None or state[1] in "Tt" or (folder / "wchan").read_text().startswith(KEPT)


def steps(folder: Path) -> tuple[int, ...]:
    """How often a thread (its folder in /proc) has been switched away from: each run ends with that.

    None of one that does not sleep, or not in what it has called: it was stopped, or cannot be woken.
    """
    told = (folder / "status").read_text()
    if not re.search(r"^State:\s+S", told, re.MULTILINE):
        return ()
    found = re.findall(r"^(?:non)?voluntary_ctxt_switches:\s+(\d+)$", told, re.MULTILINE)
    return tuple(map(int, found))


def _call(pid: int, words: list[str]) -> tuple[str, bool, tuple[End, ...]]:
    """Name, whether it ends by itself, and for what it waits. An empty name: it is not known to wait."""
    if len(words) < 9:
        return "", False, ()
    name, given = CALLS.get(int(words[0]), ""), [int(word, 16) for word in words[1:7]]
    match name:
        case "read" | "accept" | "write":
            return name, has_limit(pid, given[0]), (_of_fd(pid, given[0]),)
        case "futex":
            return name, bool(given[3]), _futex(pid, given)
        case "flock":
            return name, False, _file_lock(pid, "FLOCK")
        case "fcntl" if given[1] == SET_LOCK:
            return name, False, _file_lock(pid, "POSIX")
        case "poll":
            return name, given[2] & FOREVER != FOREVER, _polled(pid, given[0], given[1])
        case "ppoll":
            return name, bool(given[2]), _polled(pid, given[0], given[1])
        case "select":
            return name, bool(given[4]), _selected(pid, given)
        case "epoll_wait":
            return name, given[3] & FOREVER != FOREVER, tuple(_epolled(pid, given[0], DEEPEST))
        case "sleep":
            return name, True, ()
        case "wait4":
            return name, False, _children(pid, _signed(given[0]))
        case "waitid":
            return name, False, _children(pid, given[1] if given[0] == P_PID else -1 if given[0] == P_ALL else 0)
    return name, False, ()


def _file_lock(pid: int, kind: str) -> tuple[End, ...]:
    lock = keeps(pid, kind)
    return (End("file lock", lock) if lock else End(OUTSIDE, "a lock of a file"),)


def _signed(word: int) -> int:
    low = word & FOREVER
    return low - (1 << 32) if low >> 31 else low


def _futex(pid: int, given: list[int]) -> tuple[End, ...]:
    if given[1] & 0x7F not in (WAIT, WAIT_BITSET):
        return ()
    address = given[0]
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        place, rights, _, device, inode, *path = line.split(None, 5)
        start, _, end = (int(part, 16) if part != "-" else 0 for part in place.partition("-"))
        if start <= address < end:
            if "s" not in rights:
                return (OWN,)
            return (_semaphore(pid, path[0] if path else "", device, inode),)
    return ()


def _semaphore(pid: int, path: str, device: str, inode: str) -> End:
    """Other shared memory is of a library, which may have its own threads act on it; a name may be known to anybody.

    Who has made a semaphore has mapped it under another name, which is gone; so the folder is asked which names are left.
    """
    names = _names(pid, device, inode) if path.startswith(SEMAPHORE) else None
    if names is None or not all(name.startswith(OF_PYTHON) for name in names):
        return End(OUTSIDE, f"shared memory {path}".rstrip())
    return End("named semaphore" if names else "semaphore", f"{device}:{inode}")


def _names(pid: int, device: str, inode: str) -> list[str] | None:
    """Under which a process could still open a semaphore; None where that cannot be known."""
    folder = f"/proc/{pid}/root{FOLDER}"
    try:
        at = os.stat(folder).st_dev  # noqa: PTH116
        if f"{os.major(at):02x}:{os.minor(at):02x}" != device:
            return None
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if str(entry.inode()) == inode]
    except OSError:
        return None


def _polled(pid: int, address: int, count: int) -> tuple[End, ...]:
    if count > MOST_FDS:
        return ()
    raw = _memory(pid, address, 8 * count)
    wanted = [struct.unpack_from("<ihh", raw, 8 * at)[0] for at in range(count)]
    return tuple(_of_fd(pid, fd) for fd in wanted if fd >= 0)


def _selected(pid: int, given: list[int]) -> tuple[End, ...]:
    found: list[End] = []
    for place in (1, 2, 3):
        if given[place]:
            raw = _memory(pid, given[place], 8 * ((given[0] + 63) // 64))
            bits = int.from_bytes(raw, "little")
            found += [_of_fd(pid, fd) for fd in range(given[0]) if bits >> fd & 1]
    return tuple(found)


def _memory(pid: int, address: int, count: int) -> bytes:
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:  # noqa: PTH123
        memory.seek(address)
        return memory.read(count)


def _epolled(pid: int, fd: int, depth: int) -> Iterator[End]:
    """What is in an epoll descriptor: each entry is a descriptor of the same process."""
    if not depth:
        yield End(OUTSIDE, "an epoll descriptor")
        return
    for line in Path(f"/proc/{pid}/fdinfo/{fd}").read_text().splitlines():
        if entry := re.match(r"tfd:\s+(\d+)\s+events:\s+[0-9a-f]+\s+data:\s+\S+(?:.*\bino:([0-9a-f]+))?", line):
            target = int(entry[1])
            if not entry[2] or os.stat(f"/proc/{pid}/fd/{target}").st_ino != int(entry[2], 16):  # noqa: PTH116
                yield End(OUTSIDE, "what a descriptor was before")  # it was closed, and somebody else holds a copy of it
            elif _link(pid, target) == "anon_inode:[eventpoll]":
                yield from _epolled(pid, target, depth - 1)
            else:
                yield _of_fd(pid, target)


def _children(pid: int, child: int) -> tuple[End, ...]:
    if child > 0:
        return (End("child", str(child)),)
    if child != -1:
        return ()
    found: list[End] = []
    for task in listed(Path(f"/proc/{pid}/task")):
        with contextlib.suppress(OSError):
            found += [End("child", word) for word in (task / "children").read_text().split()]
    return tuple(found)


def _link(pid: int, fd: int) -> str:
    return os.readlink(f"/proc/{pid}/fd/{fd}")  # noqa: PTH115


def _of_fd(pid: int, fd: int) -> End:
    """What a descriptor is an end of."""
    link = _link(pid, fd)
    kind, _, rest = link.partition(":")
    match kind:
        case "pipe" | "socket":
            return End(kind, rest)
        case "anon_inode":
            return _anonymous(pid, fd, rest)
    return End(OUTSIDE, link)


def _anonymous(pid: int, fd: int, what: str) -> End:
    told = Path(f"/proc/{pid}/fdinfo/{fd}").read_text()
    if what == "[eventfd]" and (ident := re.search(r"^eventfd-id:\s+(\d+)", told, re.MULTILINE)):
        return End("eventfd", ident[1])
    if what == "[pidfd]" and (ident := re.search(r"^Pid:\s+(\d+)", told, re.MULTILINE)):
        return End("child", ident[1])
    return End(OUTSIDE, f"a descriptor {what.strip('[]')}")
