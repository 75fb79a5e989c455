"""Whether ranks with the same requests tell each other each step, beside the data plane (turboderp-org/exllamav3#302)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from lockstep.engines.minimal.control.step_broadcast import StepBroadcast
from lockstep.engines.minimal.spec.points import Point
from lockstep.harness.trace import Recorder


class Broadcast(Protocol):
    """One value a step, from the first rank of the group."""

    def share(self, value: int) -> int:
        """The first rank's value. Raises RuntimeError where the flag is seen."""


class NoBroadcast:
    """Sound: every rank goes by its own value, which is the same."""

    def __init__(self, *unused: object) -> None:
        """Nothing is opened."""

    def share(self, value: int) -> int:
        """The value itself."""
        return value


class Checked(StepBroadcast):
    """That one was given up is looked at after it too, so all ranks end (the mend of turboderp-org/exllamav3#302)."""


class CheckedLate(StepBroadcast):
    """That a broadcast was given up is looked at only when the next one begins, and the pass goes on without it
    (turboderp-org/exllamav3#302)."""

    def check_after(self) -> None:
        """Not now."""


STEP_BROADCAST = Point[Callable[[Recorder, Sequence[int], int, Path, float], Broadcast]](
    "step_broadcast",
    "whether the first rank of a group that has the same requests tells the others each step, by a broadcast of its own "
    "with a deadline; `checked-late`: that it was given up is looked at only when the next begins (exllamav3#302)",
    {"none": NoBroadcast, "checked": Checked, "checked-late": CheckedLate},
)
