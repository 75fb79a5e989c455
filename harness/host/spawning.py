"""Starting a process that dies with its parent, and being the parent of those whose own dies."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import IO

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_PTRACER = 0x59616D61


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


class ReapedProcess(subprocess.Popen[bytes]):
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


def start_engine(argv: Sequence[str], env: Mapping[str, str], output: IO[bytes]) -> ReapedProcess:
    """Start a rank's engine in a session of its own; it inherits the launcher's PMI descriptors and dies with us."""
    return ReapedProcess(
        argv,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        close_fds=False,
        start_new_session=True,
        preexec_fn=dies_with(os.getpid()),
    )
