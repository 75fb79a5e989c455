"""The processes below another, and above it: found, stopped and ended."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection, Iterable
from pathlib import Path

from lockstep.harness.host.proc import Stat, listed


def descendants(root: int) -> list[int]:
    """All processes below `root`, children before grandchildren."""
    found: list[int] = []
    work = [root]
    while work:
        pid = work.pop(0)
        children: list[int] = []
        for task in listed(Path(f"/proc/{pid}/task")):
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
            pid = Stat.of(pid).parent
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
