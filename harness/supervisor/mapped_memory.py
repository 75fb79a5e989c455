"""The files of shared memory that processes below a supervisor map, and leave behind when they are killed.

Standard library only: it is on the path to the engine's start.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from lockstep.harness.host import shared_memory

if TYPE_CHECKING:
    from lockstep.harness.channel.supervisor_end import Line


class MappedMemory:
    """Which they are, as far as they were seen."""

    def __init__(self) -> None:
        self._files: set[str] = set()

    def tell(self, line: Line, pids: Iterable[int]) -> None:
        """Tell which of these processes' files were not seen before."""
        found = {path for pid in pids for path in shared_memory.mapped_by(pid)} - self._files
        if found:
            from lockstep.harness.channel.to_watchdog import SharedMemory

            self._files |= found
            line.send(SharedMemory(tuple(sorted(found))))

    def note(self, pid: int) -> None:
        """One that is about to be killed: there is no time to tell."""
        self._files |= shared_memory.mapped_by(pid)

    def remove(self) -> None:
        """All of them, when nobody is left who maps them."""
        shared_memory.remove_files(self._files)
