"""What ranks of a case did, as a page shows it: which ranks, by their event logs, all on one clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report.alignment import aligned, begins_s
from lockstep.harness.trace.log import read_header

MOST = 16  # ranks of a case that are shown one by one
LAST = 2000  # events of a rank, from its end


@dataclass(frozen=True, slots=True)
class Track:
    """A rank's events, the oldest first; times in seconds since the first event of all tracks."""

    rank: int
    alike: tuple[int, ...]  # with itself: those that ended or wait as it does
    events: list[dict[str, Any]] = field(default_factory=list)
    left_out: int = 0  # events before the first of these


def groups(verdict: Verdict) -> list[tuple[int, ...]]:
    """The ranks of a verdict, those alike together: by how they stand, and where they wait. Blamed ones first."""
    waits: Mapping[int, list[Hashable]] = defaultdict(list)
    for line in verdict.knot:
        waits[line.rank].append((line.comm, line.op, line.seq, line.site, line.stream))
    blamed = set(verdict.blame.ranks if verdict.blame else ())
    found: dict[Hashable, list[int]] = defaultdict(list)
    for end in verdict.ranks:
        place = (end.phase, end.shape) if end.status not in ("returned",) else ()
        found[end.rank in blamed, end.status, end.error_type, tuple(waits[end.rank]), place].append(end.rank)
    return [tuple(ranks) for ranks in sorted(found.values(), key=lambda ranks: (ranks[0] not in blamed, ranks))]


def chosen(verdict: Verdict) -> list[tuple[int, tuple[int, ...]]]:
    """The ranks that are shown, each with those that it stands for: all where they are few."""
    if len(verdict.ranks) <= MOST:
        return [(end.rank, (end.rank,)) for end in sorted(verdict.ranks, key=lambda end: end.rank)]
    alike = groups(verdict)
    shown = [(ranks[0], ranks) for ranks in alike[: MOST - 1]]
    rest = tuple(rank for ranks in alike[MOST - 1 :] for rank in ranks)
    return shown + ([(rest[0], rest)] if rest else [])


def read_tracks(folder: Path, ranks: Sequence[tuple[int, tuple[int, ...]]], last: int = LAST) -> list[Track]:
    """Of those that have a log which can be read."""
    named = {rank: folder / f"rank-{rank}.events" for rank, _ in ranks}
    logs = {rank: path for rank, path in named.items() if _is_log(path)}
    begins = begins_s(logs)
    return [_track(logs[rank], rank, alike, begins[rank], last) for rank, alike in ranks if rank in begins]


def _is_log(path: Path) -> bool:
    try:
        return read_header(path) is not None
    except (OSError, ValueError):  # absent, something else in its place, or damaged: the page tells of the others
        return False


def _track(path: Path, rank: int, alike: tuple[int, ...], begin_s: float, last: int) -> Track:
    events = list(aligned(path, rank, begin_s, last))
    return Track(rank, alike, events, max(0, int(events[0]["number"]) - 1) if len(events) == last else 0)
