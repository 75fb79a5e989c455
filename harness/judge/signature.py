"""The signature: a stable hash of what went wrong and where, for bisection and baselines. Pure.

Ranks, hosts, counts, times and shapes are left out: the same fault at 4 and at 8 ranks has one signature, another fault
at the same place has another.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable

from lockstep.harness.judge.verdict import Blame, RankEnd, WaitLine
from lockstep.harness.vocabulary import Cause, Outcome


def signature(
    outcome: Outcome,
    cause: Cause,
    knot: Iterable[WaitLine],
    blame: Blame | None,
    ends: Iterable[RankEnd],
    beside: Collection[str] = (),
) -> str:
    """12 hex digits; empty for a success, which has nothing to compare. `beside`: where those stand that are no ranks."""
    if outcome is Outcome.SUCCESS:
        return ""
    shape = {
        "outcome": outcome.value,
        "cause": cause.value,
        "waits": sorted({(line.phase, line.op, line.kind, line.name) for line in knot}),
        "by": blame.by if blame else "",
        "site": blame.site if blame else "",
        "phase": blame.phase if blame else "",
        "errors": sorted({end.error_type for end in ends if end.error_type}),
    }
    if beside:
        shape["beside"] = sorted(set(beside))
    return hashlib.sha256(json.dumps(shape, sort_keys=True).encode()).hexdigest()[:12]
