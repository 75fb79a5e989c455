"""What became of each rank of a measured pair, told by bytes in a pipe: that it is about to enter, and that it is out."""

from __future__ import annotations

import contextlib
import enum
import os
import signal
from dataclasses import dataclass


class End(str, enum.Enum):
    """What became of a rank: only `WAITS` says that it never paired."""

    WAITS = "waits"
    ENDED = "ended"
    RAISED = "raised"
    DIED = "died"
    NOT_THERE = "not there"  # it never came as far as to enter: nothing was measured


ENTERS, LEAVES, RAISES = b"i", b"o", b"x"


@dataclass(slots=True)
class Rank:
    """One rank of a pair: its process, and the pipe that it tells its steps by."""

    pid: int
    pipe: int
    told: bytes = b""

    def look(self) -> None:
        """Read what it has told, and whether it has ended."""
        while True:
            try:
                more = os.read(self.pipe, 16)
            except BlockingIOError:
                break
            if not more:
                break
            self.told += more

    @property
    def entered(self) -> bool:
        """Whether it is in its operation, or was."""
        return ENTERS in self.told

    @property
    def over(self) -> bool:
        """Whether it will tell no more."""
        return LEAVES in self.told or RAISES in self.told or not self.alive()

    def alive(self) -> bool:
        """Whether its process has not ended (a zombie has)."""
        try:
            with open(f"/proc/{self.pid}/stat", "rb") as file:  # noqa: PTH123  (hundreds of times a second)
                return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
        except OSError:
            return False

    def end(self) -> End:
        """What became of it."""
        if LEAVES in self.told:
            return End.ENDED
        if RAISES in self.told:
            return End.RAISED
        if not self.entered:
            return End.NOT_THERE
        return End.WAITS if self.alive() else End.DIED

    def kill(self) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.close(self.pipe)
