"""A broadcast beside the data plane, through memory that ranks of one host share, with a deadline and a flag of its own.

As exllamav3's `pg_broadcast` (turboderp-org/exllamav3#302): whoever gives up waiting sets the flag for all.
"""

from __future__ import annotations

import mmap
import os
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lockstep.harness.trace import Recorder
from lockstep.harness.trace.event import Need

WORD = struct.Struct("<Q")
POLL_S = 0.001


@dataclass(slots=True)
class SharedMemory:
    """Words of eight bytes: the flag, the value, and for each member the number of the last broadcast that it came to."""

    words: mmap.mmap

    @staticmethod
    def open(path: Path, members: int) -> SharedMemory:
        """Map the file, which any member may be the first to make."""
        size = 8 * (2 + members)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            os.ftruncate(fd, size)
            return SharedMemory(mmap.mmap(fd, size))
        finally:
            os.close(fd)

    def __getitem__(self, word: int) -> int:
        return int(WORD.unpack_from(self.words, 8 * word)[0])

    def __setitem__(self, word: int, value: int) -> None:
        WORD.pack_into(self.words, 8 * word, value)


class StepBroadcast:
    """The first member tells a value and waits until all have it. Ranks of one host share the file at `path`."""

    def __init__(self, recorder: Recorder, members: Sequence[int], rank: int, path: Path, timeout_s: float) -> None:
        """`rank`: in the group of `members` (global ranks)."""
        self._recorder = recorder
        self._comm = recorder.comm("shm", "broadcast", members)
        self._rank, self._size = rank, len(members)
        self._memory = SharedMemory.open(path, self._size)
        self._timeout_s = timeout_s
        self._number = 0

    def share(self, value: int) -> int:
        """The first member's value; this rank's own where its wait was given up and nobody looks at the flag."""
        self._number += 1
        with self._recorder.collective(self._comm, "broadcast", need=Need.TIMED):
            self._check()
            shared = self._tell(value) if self._rank == 0 else self._hear()
        if shared is None:
            detail = f"seconds={self._timeout_s:g}"
            self._recorder.decision("step_broadcast.deadline", f"number={self._number}", "go on", detail, deviates=True)
            self._memory[0] = 1
        self.check_after()
        return value if shared is None else shared

    def check_after(self) -> None:
        """Whoever gave this broadcast up, nobody goes on."""
        self._check()

    def _tell(self, value: int) -> int | None:
        """The value, when all others have acknowledged it in time."""
        self._memory[1] = value
        self._memory[2] = self._number
        return value if self._wait(lambda: all(self._has(member) for member in range(1, self._size))) else None

    def _hear(self) -> int | None:
        """The first member's value, if it comes in time. It may be overwritten as soon as it is acknowledged."""
        if not self._wait(lambda: self._has(0)):
            return None
        value = self._memory[1]
        self._memory[2 + self._rank] = self._number
        return value

    def _has(self, member: int) -> bool:
        return self._memory[2 + member] >= self._number

    def _check(self) -> None:
        if self._memory[0]:
            raise RuntimeError(f"broadcast {self._number} was given up")

    def _wait(self, done: Callable[[], bool]) -> bool:
        until = time.monotonic() + self._timeout_s
        while not done():
            if time.monotonic() > until:
                return False
            time.sleep(POLL_S)
        return True
