"""What the ranks of a case are doing at this moment, in few words, and cheap enough for the thread that watches them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from lockstep.harness.judge.lacking import lacking
from lockstep.harness.judge.words import ranks_text
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState, Status
from lockstep.harness.trace.wait import Wait
from lockstep.harness.watchdog.ranks.rank_table import RankTable

EVERY_S = 0.5
REST = 50  # times what the last look took: so small a part of the watchdog's time it may have
SHOWN = 2  # operations
Key = tuple[str, str, int, int]  # communicator, operation, number, peer


@dataclass(frozen=True, slots=True)
class RankWords:
    """`phases`: where ranks are. `waits`: who waits for whom, and has at the look before; empty: nobody."""

    phases: str = "starting"
    waits: str = ""


@dataclass(slots=True)
class RankLooks:
    """Looks at the ranks of one case, now and then. A wait is told when two looks found it: others come and go."""

    _due_s: float = 0.0
    _before: Mapping[int, Key] = field(default_factory=dict)

    def look(self, ranks: RankTable) -> RankWords | None:
        """None where it is too early for another look."""
        begun = time.monotonic()
        if begun < self._due_s:
            return None
        states = ranks.states()
        phases = sorted({state.phase for state in states.values() if state.phase})
        running = [rank for rank, state in states.items() if state.status is Status.RUNNING]
        words = RankWords(", ".join(phases) or ("running" if running else "starting"), self._waits(states, ranks))
        took_s = time.monotonic() - begun
        self._due_s = begun + max(EVERY_S, REST * took_s)
        return words

    def _waits(self, states: Mapping[int, RankState], ranks: RankTable) -> str:
        found: dict[Key, list[int]] = {}
        waits: dict[Key, tuple[int, Wait]] = {}
        now: dict[int, Key] = {}
        for rank, state in sorted(states.items()):
            wait = next((wait for _, wait in state.waits() if wait.comm and wait.need is not Need.STREAM), None)
            if wait is None:
                continue
            now[rank] = key = (wait.comm, wait.op, wait.seq, wait.peer)
            if self._before.get(rank) == key:
                found.setdefault(key, []).append(rank)
                waits.setdefault(key, (rank, wait))
        self._before = now
        told = [
            _words(ranks, states, found[key], *waits[key]) for key in sorted(found, key=lambda key: -len(found[key]))[:SHOWN]
        ]
        more = len(found) - SHOWN
        return "; ".join(told) + (f"; {more} more" if more > 0 else "")


def _words(ranks: RankTable, states: Mapping[int, RankState], who: list[int], rank: int, wait: Wait) -> str:
    """Of ranks in one operation, by what the first of them needs."""
    kind, name = ranks.comms.kinds.get(wait.comm, ("", ""))
    known = wait.comm in ranks.comms.members and not wait.parts
    needed = lacking(rank, wait, states, ranks.comms.members) if known else ()
    whom = f" for {ranks_text(needed)}" if needed else ""
    operation = " ".join(filter(None, (kind, name, wait.op)))
    return f"{ranks_text(who)} in {operation} #{wait.seq}{whom}"
