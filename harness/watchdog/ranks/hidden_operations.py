"""What C++ has issued in a process without an event, as the process itself told when it was last asked."""

from __future__ import annotations

import json

from lockstep.harness.judge.history import Entry
from lockstep.harness.watchdog.ranks.process_table import ProcessRecord

MOST_HIDDEN = 10_000  # operations that C++ has issued in one backward pass


def hidden_entries(record: ProcessRecord) -> list[Entry]:
    """The collectives of which no event tells yet, as long as the process has not moved since it said so."""
    found: list[Entry] = []
    state = record.state
    if record.hidden_at != state.number:
        return found
    for text in record.hidden:
        ident, count, op, site = issued(text)
        info = state.comms.get(ident)
        if info is not None:
            first = state.entered.get(info.key, 0) + 1
            found += [Entry(state.number, info.key, first + n, op, "", "", -1, site, posted=True) for n in range(count)]
    return found


def issued(text: str) -> tuple[int, int, str, str]:
    """What a process tells of operations that C++ has issued: communicator's id, how many, which, at which line."""
    try:
        ident, count, op, site = json.loads(text)
        return int(ident), min(int(count), MOST_HIDDEN), str(op), str(site)
    except (TypeError, ValueError):
        return -1, 0, "", ""  # of no communicator
