"""What is new in one ring, as a message for the watchdog."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lockstep.harness.trace import layout
from lockstep.harness.trace.ring import Ring

if TYPE_CHECKING:
    from lockstep.harness.channel.to_watchdog import Delta


class RingReader:
    """Reads a ring and its breadcrumbs; remembers what was sent."""

    def __init__(self, ring: Ring, proc: int = -1) -> None:
        """`proc`: the process that writes into it, where a supervisor has several."""
        self.ring, self._proc = ring, proc
        self._crumbs: dict[int, int] = {}
        self._looked_ns = time.monotonic_ns()  # when the breadcrumbs were last read

    def delta(self) -> Delta | None:
        """None when nothing is new."""
        # Breadcrumbs first: what they say was handed to the device is then among the events.
        looked_ns, crumbs = time.monotonic_ns(), self.ring.breadcrumbs()
        delta = self.ring.read()
        found: Delta | None = None
        if delta or crumbs != self._crumbs:
            from lockstep.harness.channel.to_watchdog import Delta  # not on the path to the engine's start

            found = Delta(
                records=delta.records,
                strings=delta.strings,
                lost=delta.lost,
                entered=tuple(self.ring.entered(i) for i in range(layout.COMMS)) if delta.lost else (),
                threads=self.ring.threads(),
                breadcrumbs=crumbs,
                seen_ns=self._looked_ns,
                proc=self._proc,
            )
        self._looked_ns, self._crumbs = looked_ns, crumbs
        return found
