"""The events of all ranks of a case on one clock."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lockstep.harness.trace.log import began_ns, describe, read_header

_LOG = re.compile(r"rank-([0-9]{1,9})\.events")


def logs_in(folder: Path) -> dict[int, Path]:
    """The event log of each rank, in the order of ranks."""
    found = {int(number[1]): path for path in folder.glob("rank-*.events") if (number := _LOG.fullmatch(path.name))}
    return dict(sorted(found.items()))


def begins_s(logs: Mapping[int, Path]) -> dict[int, float]:
    """When the first event of each log was written, in seconds since the first of all. Logs without events are left out.

    Hosts have clocks of their own, which are brought together as exactly as the watchdog knew them; where that is not known
    of some log, all are of one host and one clock. Raises ValueError and OSError for what is no event log.
    """
    began: dict[int, tuple[int, int]] = {}
    for rank, path in logs.items():
        if (header := read_header(path)) and (first := began_ns(path)):
            began[rank] = (first, header.clock_offset_ns)
    known = all(offset for _, offset in began.values())
    starts = {rank: first + (offset if known else 0) for rank, (first, offset) in began.items()}
    zero = min(starts.values(), default=0)
    return {rank: (start - zero) / 1e9 for rank, start in starts.items()}


def aligned(path: Path, rank: int, begin_s: float, last: int | None = None) -> Iterator[dict[str, Any]]:
    """The events of one rank as `describe` gives them, with their rank, on the clock of all."""
    for event in describe(path, last):
        event["time_s"] = begin_s + float(str(event["time_s"]))
        yield {"rank": rank, **event}


def merged(folder: Path) -> Iterator[dict[str, Any]]:
    """The events of all ranks of a case, the oldest first. Raises what `describe` raises."""
    logs = logs_in(folder)
    streams = [aligned(logs[rank], rank, begin_s) for rank, begin_s in begins_s(logs).items()]
    return heapq.merge(*streams, key=lambda event: float(event["time_s"]))
