"""Which processes hardly compute: whether one that waits in no operation that is known waits at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from lockstep.harness.host.proc import Stat

WINDOW_S = 5.0  # so long it has not computed
SHARE = 0.03  # of one processor: who looks around ten times a second needs less
TICKS_S = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class _Use:
    """Of the processor, by one process: its ticks when the present window began."""

    ticks: int
    window_s: float
    idle_since_s: float


class Idleness:
    """Follows the processes below a command. Times are of one monotonic clock."""

    def __init__(self) -> None:
        self._known: dict[int, _Use] = {}

    def look(self, pids: Iterable[int], now_s: float) -> tuple[int, ...]:
        """Those that have hardly computed for `WINDOW_S`."""
        known: dict[int, _Use] = {}
        for pid in pids:
            try:
                stat = Stat.of(pid)
            except OSError:
                continue
            use = known[pid] = self._known.get(pid) or _Use(stat.ticks, now_s, now_s)
            for_s = now_s - use.window_s
            if stat.state == "R" or stat.ticks - use.ticks > 1 + SHARE * TICKS_S * for_s:
                known[pid] = _Use(stat.ticks, now_s, now_s)
            elif for_s >= WINDOW_S:
                use.ticks, use.window_s = stat.ticks, now_s
        self._known = known
        return tuple(sorted(pid for pid, use in known.items() if now_s - use.idle_since_s >= WINDOW_S))

    def for_s(self, pids: Iterable[int], now_s: float) -> float:
        """For how long all of these have hardly computed."""
        uses = [self._known.get(pid) for pid in pids]
        return min((0.0 if use is None else now_s - use.idle_since_s for use in uses), default=0.0)
