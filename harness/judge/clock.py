"""Clocks of several hosts: what is known of another host's monotonic clock against the watchdog's. Pure.

The watchdog asks at its time t0, the other answers with its own time s, the answer is there at t1. Whatever the ways there
and back took, at the moment when the other clock read s ours was between t0 and t1: so theirs is ahead of ours by s - t1 at
least and by s - t0 at most. Between such exchanges two clocks drift apart, by no more than `DRIFT`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field

DRIFT = 1e-3  # NTP steers a clock by up to 500 ppm, each its own way
BUCKET_NS = 1_000_000_000  # of all exchanges within it the quickest is kept
NEAREST = 8  # exchanges on either side that are looked at, beside the quickest of all


@dataclass(frozen=True, slots=True)
class Exchange:
    """At their time `ns` they were ahead of us by `low_ns` to `high_ns`."""

    ns: int
    low_ns: int
    high_ns: int

    @property
    def width_ns(self) -> int:
        """How much is not known."""
        return self.high_ns - self.low_ns


@dataclass(slots=True, eq=False)
class Clock:
    """One host's monotonic clock, in ns. `exact`: it is the watchdog's own."""

    exact: bool = False
    drift: float = DRIFT
    _exchanges: list[Exchange] = field(default_factory=list)  # in the order of their time
    _best: Exchange | None = None

    def exchanged(self, asked_ns: int, theirs_ns: int, answered_ns: int) -> None:
        """A question sent at our time `asked_ns` was taken at `theirs_ns`, and its answer was here at `answered_ns`."""
        new = Exchange(theirs_ns, theirs_ns - answered_ns, theirs_ns - asked_ns)
        if self._exchanges:
            self._admit_drift(self._exchanges[-1], new)
        if self._best is None or new.width_ns < self._best.width_ns:
            self._best = new
        if self._exchanges and self._exchanges[-1].ns // BUCKET_NS == new.ns // BUCKET_NS:
            if new.width_ns < self._exchanges[-1].width_ns:
                self._exchanges[-1] = new
        else:
            self._exchanges.append(new)

    def _admit_drift(self, old: Exchange, new: Exchange) -> None:
        """Clocks that two exchanges show to drift faster (one is slewed back from far off) are taken to do so throughout."""
        apart_ns = max(old.low_ns - new.high_ns, new.low_ns - old.high_ns)
        if apart_ns > self.drift * abs(new.ns - old.ns):
            self.drift = 2 * apart_ns / max(1, abs(new.ns - old.ns))

    def ahead(self, theirs_ns: int) -> tuple[float, float]:
        """By how much they are ahead of us at their time, in ns: at least, and at most. Infinite where nothing is known."""
        if self.exact:
            return 0, 0
        at = bisect_left(self._exchanges, theirs_ns, key=lambda exchange: exchange.ns)
        near = self._exchanges[max(0, at - NEAREST) : at + NEAREST] + ([self._best] if self._best else [])
        low = max((e.low_ns - self.drift * abs(theirs_ns - e.ns) for e in near), default=-math.inf)
        high = min((e.high_ns + self.drift * abs(theirs_ns - e.ns) for e in near), default=math.inf)
        return (low, high) if low <= high else (high, low)  # drift that was admitted later

    def ours(self, theirs_ns: int) -> int:
        """The best guess of our time at their time; their own where nothing is known."""
        low, high = self.ahead(theirs_ns)
        return theirs_ns if math.isinf(low) else theirs_ns - round((low + high) / 2)

    def theirs(self, ours_ns: int) -> int:
        """The best guess of their time now, at our time; ours where nothing is known."""
        last = self._exchanges[-1] if self._exchanges else Exchange(0, 0, 0)
        return ours_ns + (last.low_ns + last.high_ns) // 2

    def within_ns(self, theirs_ns: int) -> float:
        """By how much that guess may be wrong; infinite where nothing is known."""
        low, high = self.ahead(theirs_ns)
        return (high - low) / 2


OURS = Clock(exact=True)


@dataclass(frozen=True, slots=True)
class Time:
    """A moment, as the clock of its host told it."""

    ns: int
    clock: Clock = OURS

    def before(self, other: Time, by_ns: float = 0.0) -> bool:
        """Whether it was certainly earlier, by more than `by_ns`."""
        if self.clock is other.clock:
            return self.ns + by_ns < other.ns
        latest = self.ns - self.clock.ahead(self.ns)[0]
        earliest = other.ns - other.clock.ahead(other.ns)[1]
        return latest + by_ns < earliest

    @property
    def within_ns(self) -> float:
        """By how much `ours_ns` may be wrong."""
        return self.clock.within_ns(self.ns)

    @property
    def ours_ns(self) -> int:
        """The best guess of it on the watchdog's clock."""
        return self.clock.ours(self.ns)


def first(times: Mapping[int, Time]) -> list[int]:
    """Who may have been the first, in order of number: one of each host that is not certainly later than another's.

    More than one says that clocks cannot tell. On one host the first is certain (of equals the lowest number).
    """
    by_clock: dict[int, int] = {}
    for number, time in sorted(times.items()):
        other = by_clock.get(id(time.clock))
        if other is None or time.ns < times[other].ns:
            by_clock[id(time.clock)] = number
    found = sorted(by_clock.values())
    return [one for one in found if not any(times[other].before(times[one]) for other in found)]
