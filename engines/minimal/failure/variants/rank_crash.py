"""What a rank that failed does to its peers, which wait for it in a collective and cannot know."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lockstep.engines.minimal.spec.points import Point
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
class Means:
    """What a failed rank can do. `abort` is MPI_Abort; `probe` makes a probe, which all ranks must do together."""

    grace_s: float
    recorder: Recorder
    abort: Callable[[int], None]
    probe: Callable[[], CrashProbe]

    def kill(self) -> None:
        """End the job at once."""
        self.recorder.abort(CODE)
        self.abort(CODE)


class RankCrash(Protocol):
    """Made when the rank is, before anything can fail."""

    def failed(self, error: Exception) -> None:
        """The rank's program has failed. Comes back if this rank may end in order, and the job with it."""


class LeaveAlone:
    """Sound where somebody else watches the job: the error is printed, and this rank ends."""

    def __init__(self, means: Means) -> None:
        self.means = means

    def failed(self, error: Exception) -> None:
        """Print it."""
        traceback.print_exception(error)


class Kill(LeaveAlone):
    """The peers are killed before anybody was told of the error, whose reason is lost (NVIDIA/TensorRT-LLM#19456)."""

    def failed(self, error: Exception) -> None:
        """MPI_Abort."""
        self.means.kill()
        traceback.print_exception(error)


class KillWithGrace(LeaveAlone):
    """The error is told, then the peers are killed (NVIDIA/TensorRT-LLM#16592, #17667)."""

    def failed(self, error: Exception) -> None:
        """Tell, wait, kill."""
        traceback.print_exception(error)
        self.means.recorder.error(error)
        if self.nobody_waits():
            return
        time.sleep(self.means.grace_s)
        self.means.kill()

    def nobody_waits(self) -> bool:
        """Whether the peers need no killing: not known here."""
        return False


class Probe(KillWithGrace):
    """As with grace, but not if all ranks have failed: then nobody waits for anybody (NVIDIA/TensorRT-LLM#19456)."""

    def __init__(self, means: Means) -> None:
        super().__init__(means)
        self.probe = means.probe()

    def nobody_waits(self) -> bool:
        """Whether all ranks fail within half of the grace."""
        self.probe.begin()
        until = time.monotonic() + self.means.grace_s / 2
        while not self.probe.all_here():
            if time.monotonic() > until:
                return False
            time.sleep(STEP_S)
        return True


RANK_CRASH = Point[Callable[[Means], RankCrash]](
    "rank_crash",
    "what a rank that failed does to its peers: nothing, `kill`: MPI_Abort at once, `kill-with-grace`: its error first "
    "(#16592), `probe`: only if not all ranks have failed (#19456)",
    {"none": LeaveAlone, "kill": Kill, "kill-with-grace": KillWithGrace, "probe": Probe},
)
