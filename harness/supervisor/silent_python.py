"""A process whose Python does not answer: who holds its lock, looked at from outside, and not too often."""

from __future__ import annotations

import time
from collections.abc import Collection

from lockstep.harness.host.stacks import LockOwner, lock_owner

REST_S = 3.0  # a look stops the process for a moment; one that stands is looked at again only now and then


class SilentPython:
    """Remembers what kept the last look from saying anything. That a process stands is never remembered."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._doubted: LockOwner | None = None
        self._looked_s = 0.0

    def look(self, in_mpi: Collection[int] | None = None) -> LockOwner:
        """Who holds Python's lock now, or why, a moment ago, that said nothing. `in_mpi`: see `lock_owner`."""
        if self._doubted is None or time.monotonic() - self._looked_s > REST_S:
            found = lock_owner(self._pid, in_mpi)
            self._doubted = found if found.others else None
            self._looked_s = time.monotonic()
            return found
        return self._doubted
