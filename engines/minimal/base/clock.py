"""A rank's own clock. Clocks of several ranks are never quite the same."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(slots=True)
class Clock:
    """Seconds since some moment in the past. `offset_s`: how far it was set forward."""

    offset_s: float = 0.0

    def now(self) -> float:
        """What it shows, in seconds."""
        return time.monotonic() + self.offset_s
