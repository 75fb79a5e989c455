"""What is new in one ring, as a message for the watchdog."""

from __future__ import annotations

import time
from typing import Any

from lockstep.harness.trace import layout
from lockstep.harness.trace.ring import Ring


class Feed:
    """Reads a ring and its breadcrumbs; remembers what was sent."""

    def __init__(self, ring: Ring) -> None:
        self.ring = ring
        self._crumbs: dict[int, int] = {}
        self._looked_ns = time.monotonic_ns()  # when the breadcrumbs were last read

    def delta(self) -> dict[str, Any] | None:
        """The fields of a `delta`; None when nothing is new."""
        # Breadcrumbs first: what they say was handed to the device is then among the events.
        looked_ns, crumbs = time.monotonic_ns(), self.ring.breadcrumbs()
        delta = self.ring.read()
        found: dict[str, Any] | None = None
        if delta or crumbs != self._crumbs:
            found = {
                "records": delta.records,
                "strings": list(delta.strings),
                "lost": delta.lost,
                "entered": [self.ring.entered(i) for i in range(layout.COMMS)] if delta.lost else [],
                "threads": self.ring.threads(),
                "breadcrumbs": crumbs,
                "seen_ns": self._looked_ns,
            }
        self._looked_ns, self._crumbs = looked_ns, crumbs
        return found
