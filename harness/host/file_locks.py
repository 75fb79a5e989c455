"""Locks of files (flock, lockf): which one keeps a process waiting, and who could let go of that.

A lock is told by the kernel's own words for it. It belongs to whoever has it among the locks of one of its descriptors: the
process that took it, and those that were forked or handed the descriptor since.
"""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

WAITS = "->"


def keeps(pid: int, kind: str) -> str:
    """The lock of a kind that a process waits for to be let go; empty where that is not told."""
    found: set[str] = set()
    first = ""
    for line in Path("/proc/locks").read_text().splitlines():
        words = line.split()[1:]
        if WAITS not in words:
            first = " ".join(words)
        elif words[words.index(WAITS) + 1] == kind and words[words.index(WAITS) + 4] == str(pid):
            found.add(first)
    # Of two threads that wait for two locks it is not told which of them waits for which.
    return found.pop() if len(found) == 1 else ""


def held(pid: int, descriptor: str) -> set[str]:
    """The locks that go with a descriptor. Raises OSError where that may not be read."""
    with contextlib.suppress(FileNotFoundError):
        told = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text()
        return {" ".join(line.split()) for line in re.findall(r"^lock:\s+\d+:\s+(.*)$", told, re.MULTILINE)}
    return set()
