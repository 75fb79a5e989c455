"""Which resume of an engine core is a duplicate, that needs no collective (verl-project/verl#7846)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.spec.points import Point


class Resume(Protocol):
    """Asked for each resume."""

    mistakes: bool  # whether ranks may answer differently

    def duplicate(self, paused: bool, running: bool) -> bool:
        """Whether there is nothing to resume."""


class ByPause:
    """Sound: of a core that is not paused, as all are or none is."""

    mistakes = False

    def duplicate(self, paused: bool, running: bool) -> bool:
        """Nothing is paused."""
        return not paused


class ByRunning:
    """Of one that runs, as a new request may have made one rank do (verl-project/verl#7846)."""

    mistakes = True

    def duplicate(self, paused: bool, running: bool) -> bool:
        """It runs."""
        return running


RESUME = Point[Resume](
    "resume",
    "which resume is a duplicate without a collective: of a core that is not paused, or `by-running`: that runs",
    {"by-pause": ByPause(), "by-running": ByRunning()},
)
