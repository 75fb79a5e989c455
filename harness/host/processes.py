"""Linux processes: start one that dies with its parent, find and end everything that it started."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_PTRACER = 0x59616D61
SHM = "/dev/shm/"
SECOND_LOOK_S = 0.2
MPI_SHARED_MEMORY = ("mpich_shm_", "ucx_shm_posix_", "sm_segment.", "vader_segment.", "osc_sm")  # MPICH, its UCX; Open MPI


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent dies, so that they can be found and ended."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def dies_with(parent: int) -> Callable[[], None]:
    """What a child runs between fork and exec: only C calls, since other threads may hold Python's locks."""

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _libc.prctl(_PR_SET_PTRACER, parent, 0, 0, 0)  # where Yama guards ptrace: the parent's py-spy may look
        if os.getppid() != parent:
            os._exit(127)

    return prepare


class Engine(subprocess.Popen[bytes]):
    """A child process. `peak_bytes`: when it has ended, the most memory that it, or a child that it waited for, ever had."""

    peak_bytes: int | None = None

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        if self.returncode is None:
            self._reap(os.WNOHANG)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, when it has ended. There is no time-out."""
        while self.returncode is None:
            self._reap(0)
        return self.returncode

    def _reap(self, options: int) -> None:
        try:
            pid, status, usage = os.wait4(self.pid, options)
        except ChildProcessError:  # a signal handler was called in between, and has it
            self.returncode = 0
            return
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)
            self.peak_bytes = usage.ru_maxrss << 10


def start_engine(argv: Sequence[str], env: Mapping[str, str], output: IO[bytes]) -> Engine:
    """Start a rank's engine in a session of its own; it inherits the launcher's PMI descriptors and dies with us."""
    return Engine(
        argv,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        close_fds=False,
        start_new_session=True,
        preexec_fn=dies_with(os.getpid()),
    )


def descendants(root: int) -> list[int]:
    """All processes below `root`, children before grandchildren."""
    found: list[int] = []
    work = [root]
    while work:
        pid = work.pop(0)
        children: list[int] = []
        for task in _listed(Path(f"/proc/{pid}/task")):
            with contextlib.suppress(OSError):
                children += map(int, (task / "children").read_text().split())
        found += children
        work += children
    return found


def ancestors(pid: int) -> list[int]:
    """The process that started `pid`, the one that started that, and so on."""
    found: list[int] = []
    with contextlib.suppress(OSError, ValueError, IndexError):
        while pid > 1:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
            found.append(pid)
    return found


def end_daemons(pid: int, names: Collection[str]) -> None:
    """SIGTERM to those of a process's ancestors that have one of these names and are this user's."""
    for ancestor in ancestors(pid):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{ancestor}/comm").read_text().strip() in names:
                os.kill(ancestor, signal.SIGTERM)


def end_all(pids: Iterable[int]) -> None:
    """SIGKILL; a process that is already gone is no error."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def stop_all(pids: Iterable[int]) -> None:
    """SIGSTOP: they live, hold what they have open, and do nothing more."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGSTOP)


def end_tree(root: int) -> None:
    """SIGKILL a process and everything below it. It is stopped first, so that it cannot start more meanwhile."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(root, signal.SIGSTOP)
    end_all([*descendants(root), root])


def with_variable(name: str, value: str) -> list[int]:
    """The processes of this host whose environment holds NAME=VALUE, this one excepted."""
    wanted = f"{name}={value}".encode()
    found: list[int] = []
    for entry in _listed(Path("/proc")):
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0") and not _is_zombie(entry):
                found.append(int(entry.name))
    return found


def shared_memory(pid: int) -> set[str]:
    """The files in /dev/shm that a process maps."""
    with contextlib.suppress(OSError):
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        paths = {line[line.index(SHM) :] for line in lines if SHM in line}
        return {path for path in paths if not path.endswith("(deleted)")}
    return set()


def shared_memory_files() -> set[str]:
    """The files in /dev/shm that belong to this user and that MPI libraries make."""
    return {str(path) for path in _listed(Path(SHM)) if path.name.startswith(MPI_SHARED_MEMORY) and _is_mine(path)}


def unmapped(paths: set[str]) -> set[str]:
    """Those of `paths` that no process maps any more."""
    mapped: set[str] = set()
    for entry in _listed(Path("/proc")) if paths else ():
        if entry.name.isdigit():
            mapped |= shared_memory(int(entry.name))
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


def remove_job_folder(folder: str) -> None:
    """Remove the private temporary folder of a job; nothing else that TMPDIR may name."""
    if Path(folder).name.startswith("lockstep-"):
        shutil.rmtree(folder, ignore_errors=True)


def oom_kills() -> int:
    """How many processes the kernel has killed on this host for want of memory; 0 where it does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name == "oom_kill":
                return int(value)
    return 0


def wait_until(done: Callable[[], bool], timeout_s: float, step_s: float = 0.02) -> bool:
    """Poll until `done()`; False when it is still not so after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(step_s)
    return True


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _is_mine(path: Path) -> bool:
    try:
        return path.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _is_zombie(entry: Path) -> bool:
    return (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"


def is_zombie(pid: int) -> bool:
    """Whether a process has ended and only waits to be asked how; one that is gone counts as such."""
    try:
        return _is_zombie(Path(f"/proc/{pid}"))
    except OSError:
        return True


def command_line(pid: int) -> str:
    """A process's command line, cut to what a sentence can hold."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return " ".join(word.decode(errors="replace") for word in words if word)[:80]
    return "?"


def is_fork(pid: int, parents: set[int], variable: str) -> bool:
    """Whether a process was started by one of `parents` and has its environment: a fork that does not communicate yet."""
    with contextlib.suppress(OSError, ValueError):
        entry = Path(f"/proc/{pid}")
        parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        return parent in parents and f"{variable}=".encode() in (entry / "environ").read_bytes()
    return False


def is_python(pid: int) -> bool:
    """Whether a process runs a Python interpreter."""
    with contextlib.suppress(OSError):
        return "python" in Path(f"/proc/{pid}/exe").readlink().name
    return False
