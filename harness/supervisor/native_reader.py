"""What is new in a native recorder's ring: its events while they can be followed, else how things stand at once.

C writes events faster than anybody in Python reads them. Who follows a rank that races would slow it down, and find nothing:
it moves. So only so many events are read in a second, the others are let go; and when the rank rests, its tables are read
instead, which hold exactly what all its events say.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from lockstep.harness.supervisor.machine_lines import readable
from lockstep.harness.trace import layout
from lockstep.harness.trace.event import RECORD
from lockstep.harness.trace.ring import Ring
from lockstep.harness.trace.tables import copied

if TYPE_CHECKING:
    from lockstep.harness.channel.to_watchdog import Delta

BURST = 20_000  # events that are read at once: what a program does before it settles
RATE = 4_000  # ... a second, after that
REST_S = 0.01  # for so long a rank must have rested before its tables are copied
TELL_S = 0.25  # how often it is told that one that is not followed goes on


class NativeReader:
    """Reads a ring and its tables; remembers what was sent."""

    def __init__(self, ring: Ring, proc: int) -> None:
        self.ring, self._proc = ring, proc
        self._room = float(BURST)
        self._filled_s = time.monotonic()
        self._follows = True
        self._given = 0  # the number of the last event that was sent, or is in tables that were
        self._seen = 0  # the last number at the last look
        self._seen_s = 0.0  # when that had changed
        self._told_s = 0.0

    def delta(self) -> Delta | None:
        """None when nothing is new."""
        now_s = time.monotonic()
        self._room = min(float(BURST), self._room + (now_s - self._filled_s) * RATE)
        self._filled_s = now_s
        _, last = self.ring.written()
        if last != self._seen:
            self._seen, self._seen_s = last, now_s
        if not self._follows:
            return self._caught_up(now_s)
        behind = last - self.ring.read_up_to
        if behind > self._room:
            return self._let_go(now_s)
        delta = self.ring.read()
        self._room -= len(delta.records) // RECORD.size
        if delta.lost:  # it was overtaken within this very look
            return self._let_go(now_s, delta.lost, delta.strings)
        self._given = self.ring.read_up_to
        return self._message(delta.records, delta.strings) if delta else None

    def _let_go(self, now_s: float, lost: int = 0, strings: tuple[str, ...] = ()) -> Delta:
        """Whatever it waited in, from now on it counts as running."""
        self._follows = False
        self._told_s = now_s
        return self._message(b"", (*strings, *self.ring.strings()), lost + self.ring.skip_to(self.ring.written()[1]))

    def _caught_up(self, now_s: float) -> Delta | None:
        if now_s - self._seen_s >= REST_S:
            found = copied(self.ring, self._given)
            if found is not None:
                self._follows = True
                self._given = found.number
                lost = self.ring.skip_to(found.number)
                return self._message(b"", self.ring.strings(), max(lost, 1), found.raw)
        if now_s - self._told_s >= TELL_S:
            return self._let_go(now_s, 1)
        return None

    def _message(self, records: bytes, strings: tuple[str, ...], lost: int = 0, tables: bytes = b"") -> Delta:
        from lockstep.harness.channel.to_watchdog import Delta

        return Delta(
            records=records,
            strings=readable(strings),
            lost=lost,
            entered=tuple(self.ring.entered(i) for i in range(layout.COMMS)) if lost else (),
            threads=self.ring.threads(),
            breadcrumbs={},
            seen_ns=time.monotonic_ns(),
            proc=self._proc,
            tables=tables,
        )
