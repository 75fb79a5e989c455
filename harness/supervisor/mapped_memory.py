"""The files of shared memory that processes below a supervisor map, and those that a launcher among them has made: they
stay behind when these are killed.

Standard library only: it is on the path to the engine's start.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lockstep.harness.host import launcher_files, shared_memory
from lockstep.harness.host.proc import listed

if TYPE_CHECKING:
    from lockstep.harness.channel.supervisor_end import Line


class MappedMemory:
    """Which they are, as far as they were seen. What was there at the start is not theirs; of MPI it may be: ranks whose
    supervisors were earlier make it for all."""

    def __init__(self) -> None:
        names = listed(Path(shared_memory.SHM))
        self._before = {str(path) for path in names if not path.name.startswith(shared_memory.MPI_SHARED_MEMORY)}
        self._files: set[str] = set()
        self._of_launchers: set[str] = set()

    def tell(self, line: Line, pids: Iterable[int]) -> None:
        """Tell which of these processes' files were not seen before."""
        found = {path for pid in pids for path in shared_memory.mapped_by(pid)} - self._before - self._files
        if found:
            from lockstep.harness.channel.to_watchdog import SharedMemory

            self._files |= found
            line.send(SharedMemory(tuple(sorted(found))))

    def note(self, pid: int) -> None:
        """One that is about to be killed: there is no time to tell."""
        self._files |= shared_memory.mapped_by(pid) - self._before
        self._of_launchers |= launcher_files.made_by(pid)

    def remove(self) -> None:
        """All of them, when nobody is left who needs them."""
        shared_memory.remove_files(self._files)
        for path in self._of_launchers:
            with contextlib.suppress(OSError):
                Path(path).unlink()
