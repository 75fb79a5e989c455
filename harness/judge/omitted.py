"""Who has called fewer collectives of a communicator than the others, where nobody is seen to wait in one of them. Pure.

So it is where a program waits for the outcome unrecorded: for a GPU (`.item()`), or for a thread of its own.
"""

from __future__ import annotations

from collections import defaultdict

from lockstep.harness.judge import words
from lockstep.harness.judge.history import Entry
from lockstep.harness.judge.names import group_name
from lockstep.harness.judge.snapshot import CaseSnapshot
from lockstep.harness.judge.verdict import Blame
from lockstep.harness.trace.state import Status


def omitted(case: CaseSnapshot) -> Blame | None:
    """By the first collective, in time, that somebody called and a member has not; None where all have called the same."""
    found: tuple[Entry, tuple[int, ...]] | None = None
    for comm, called in _called(case).items():
        least = min(called.values())
        ahead = [rank for rank, count in called.items() if count > least and case.states[rank].status is Status.RUNNING]
        first = min(
            (entry for rank in ahead for entry in case.histories[rank].entries if entry.comm == comm and entry.seq > least),
            key=lambda entry: (entry.seq, entry.ns),
            default=None,
        )
        if first is not None and (found is None or first.ns < found[0].ns):
            found = first, tuple(sorted(rank for rank, count in called.items() if count < first.seq))
    if found is None:
        return None
    entry, ranks = found
    what = f"{group_name(case, entry.comm)} {entry.op} #{entry.seq}" + (f" (at {entry.site})" if entry.site else "")
    site = f"{case.comms.get(entry.comm, ('', entry.comm))[1]}.{entry.op}"
    return Blame(ranks, "collective", words.behind_text(ranks, what, entry.phase), site=site)


def _called(case: CaseSnapshot) -> dict[str, dict[int, int]]:
    """How far each member has come, of the communicators that are known to all of their members."""
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for rank, history in case.histories.items():
        last: dict[str, int] = defaultdict(int)
        for entry in history.entries:
            last[entry.comm] = max(last[entry.comm], entry.seq)
        for comm in history.comms:
            found[comm][rank] = last[comm]
    return {comm: called for comm, called in found.items() if set(called) == set(case.members[comm])}
