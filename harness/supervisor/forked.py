"""Processes that a rank has forked: the handlers of signals that they have are most likely those of the rank's libraries.

Who tells of its handlers of Python itself, a rank, is asked; one that was forked is not. It leaves a mark when it sets one.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from lockstep.harness.host.proc import Stat, layout
from lockstep.harness.host.wakers import caught

HANDLER_MARK = ".handler-"  # behind the socket's name, before a process's number; attach/imports has it too


def quiet_forks(pids: Collection[int], ranks: Collection[int], mark: str) -> set[int]:
    """Those that are copies of a rank, and have no handlers but those that it has, of which Python has set none.

    `mark`: how the name of the file begins that one leaves, with its number, when Python sets one.
    """
    return {pid for pid in pids if _is_quiet(pid, ranks, mark)}


def _is_quiet(pid: int, ranks: Collection[int], mark: str) -> bool:
    try:
        parent = Stat.of(pid).parent
        if parent not in ranks or any(Path(f"{mark}{one}").exists() for one in (pid, parent)):
            return False
        return layout(pid) == layout(parent) and caught(pid) <= caught(parent)
    except (OSError, ValueError, IndexError):
        return False
