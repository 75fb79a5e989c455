"""The clocks of all hosts, measured against the watchdog's by what goes to and fro anyway. No sockets.

Every supervisor is asked for the time once, when it says hello. On a host with another clock one of them is asked a few
times more, and then again and again, since clocks drift.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lockstep.harness.channel.identity import clocks
from lockstep.harness.channel.to_watchdog import ClockRead, Hello
from lockstep.harness.judge.clock import OURS, Clock

FIRST = 8  # exchanges at the start: the quickest counts
AGAIN_S = 1.0


@dataclass(slots=True)
class HostClock:
    """The clock of a host, and what its wall clock is ahead of it."""

    clock: Clock
    wall_ns: int  # CLOCK_REALTIME - CLOCK_MONOTONIC there, at the hello
    asks: int = -1  # the supervisor that is asked again and again; -1: nobody need be
    exchanges: int = 0
    asked_s: float = 0.0


@dataclass(slots=True)
class HostClocks:
    """By supervisor. `own`: what tells the watchdog's own clock from others."""

    own: str
    _by_name: dict[str, HostClock] = field(default_factory=dict)
    _of: dict[int, HostClock] = field(default_factory=dict)
    _asked: list[HostClock] = field(default_factory=list)  # those that somebody is asked for

    def join(self, number: int, hello: Hello) -> None:
        """A supervisor said hello."""
        name = hello.clock
        if name not in self._by_name:
            ours = name == self.own
            wall_ns = hello.wall_ns - hello.monotonic_ns
            self._by_name[name] = HostClock(OURS, wall_ns) if ours else self._measured(number, wall_ns)
        self._of[number] = self._by_name[name]

    def exchanged(self, number: int, told: ClockRead, answered_ns: int) -> bool:
        """A supervisor told its time; whether it is to be asked again at once."""
        found, asked_ns, theirs_ns = self._of[number], told.asked_ns, told.theirs_ns
        if found.clock is OURS:
            if asked_ns <= theirs_ns <= answered_ns:
                return False
            # It says that it has our clock, and has not: something there tells its processes another time.
            found = self._of[number] = self._measured(number, found.wall_ns)
        found.clock.exchanged(asked_ns, theirs_ns, answered_ns)
        found.exchanges += 1
        return number == found.asks and found.exchanges < FIRST

    def due(self, now_s: float) -> list[int]:
        """Who is to be asked again now."""
        found: list[int] = []
        for clock in self._asked:
            if now_s - clock.asked_s >= AGAIN_S:
                clock.asked_s = now_s
                found.append(clock.asks)
        return found

    def _measured(self, number: int, wall_ns: int) -> HostClock:
        found = HostClock(Clock(), wall_ns, number)
        self._asked.append(found)
        return found

    def of(self, number: int) -> Clock:
        """The clock of a supervisor's host."""
        return self._of[number].clock

    def wall_ns(self, number: int) -> int:
        """What makes times of that clock those of the watchdog's wall clock."""
        here, clock = clocks(), self.of(number)
        theirs_ns = clock.theirs(here["monotonic_ns"])
        return here["wall_ns"] - here["monotonic_ns"] + clock.ours(theirs_ns) - theirs_ns

    def wall_ahead(self, number: int) -> tuple[float, float] | None:
        """By how many seconds that host's wall clock is ahead of the watchdog's, and to within how many; None: not known."""
        found, here = self._of[number], clocks()
        theirs_ns = found.clock.theirs(here["monotonic_ns"])
        low, high = found.clock.ahead(theirs_ns)
        if high == float("inf"):
            return None
        ahead_ns = found.wall_ns - (here["wall_ns"] - here["monotonic_ns"]) + (low + high) / 2
        return ahead_ns / 1e9, (high - low) / 2e9
