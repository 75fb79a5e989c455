"""What a rank that has failed does to its peers, which wait for it in a collective and cannot know.

Sources: NVIDIA/TensorRT-LLM#16592 and #17667 (kill with grace), #19456 (ask first whether all have failed).
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lockstep.harness.trace import Recorder

CODE = 137
STEP_S = 0.02


class CrashProbe(Protocol):
    """Tells whether all ranks have come here, without waiting for them."""

    def begin(self) -> None:
        """This rank has failed."""

    def all_here(self) -> bool:
        """Whether all have. Never waits."""


@dataclass(frozen=True, slots=True)
class Crash:
    """`mode`: none, kill, kill-with-grace or probe. `abort` is MPI_Abort."""

    mode: str
    grace_s: float
    recorder: Recorder
    abort: Callable[[int], None]
    probe: CrashProbe | None = None

    def failed(self, error: Exception) -> None:
        """The rank's program has failed. Comes back if this rank may end in order, and the job with it."""
        if self.mode == "kill":
            self._kill()  # before anybody was told of the error
        traceback.print_exception(error)
        if self.mode == "none":
            return
        self.recorder.error(error)
        if self.probe is not None and self._all_failed(self.probe):
            return
        time.sleep(self.grace_s)
        self._kill()

    def _all_failed(self, probe: CrashProbe) -> bool:
        """Whether all ranks fail within half of the grace: then nobody waits for anybody."""
        probe.begin()
        until = time.monotonic() + self.grace_s / 2
        while not probe.all_here():
            if time.monotonic() > until:
                return False
            time.sleep(STEP_S)
        return True

    def _kill(self) -> None:
        self.recorder.abort(CODE)
        self.abort(CODE)
