"""What happens to a launch meanwhile: nothing, a part of it is stopped for a while, or is killed."""

from __future__ import annotations

import contextlib
import enum
import os
import random
import signal
import threading
import time
from pathlib import Path

from lockstep.harness.host import proc

MARK = "SOAK_LAUNCH"  # in the environment of all that a launch starts
LATEST_S = 2.5  # after the launch
LONGEST_STOP_S = 2.0


class Disturbance(enum.Enum):
    """By what it is called in the table."""

    NONE = "left alone"
    STOP = "a part stopped, and continued"
    KILL = "a part killed"


class Disturber:
    """Disturbs one launch, from a thread; `hit` is the command line of the part that it found, empty for none."""

    def __init__(self, kind: Disturbance, mark: str, draw: random.Random) -> None:
        self.hit = ""
        self._kind, self._mark, self._draw = kind, mark, draw
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._disturb, daemon=True)

    def __enter__(self) -> Disturber:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _disturb(self) -> None:
        if self._kind is Disturbance.NONE or self._over.wait(self._draw.uniform(0.05, LATEST_S)):
            return
        parts = sorted(set(proc.with_variable(MARK, self._mark)) - {os.getpid()})
        if not parts:
            return
        pid = self._draw.choice(parts)
        with contextlib.suppress(OSError):
            self.hit = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:200]
            if self._kind is Disturbance.KILL:
                os.kill(pid, signal.SIGKILL)
                return
            os.kill(pid, signal.SIGSTOP)
            try:
                time.sleep(self._draw.uniform(0.1, LONGEST_STOP_S))
            finally:
                os.kill(pid, signal.SIGCONT)
