"""Whether the ranks of a case find the memory that they surely take on this machine: said before anything is launched."""

from __future__ import annotations

from collections.abc import Sequence

from lockstep.harness.host.memory import available_bytes
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine

GIB = 1 << 30


def short_of_memory(cases: Sequence[Case], available: int | None = None) -> list[str]:
    """A line for each case whose ranks need more on the CPU than this machine has left: where it is said, and what to do."""
    needed = {case.id: (case, find_engine(case.engine).host_bytes(case.spec)) for case in cases if on_cpu(case)}
    most = max((count for _, count in needed.values()), default=0)
    if not most:
        return []
    free = available_bytes() if available is None else available
    return [_text(case, count, free) for case, count in needed.values() if count > free]


def on_cpu(case: Case) -> bool:
    """Whether its ranks have their memory on the host; where nobody has said yet, they may."""
    return case.spec.get("device") != "cuda"


def _text(case: Case, needed: int, free: int) -> str:
    each = needed / case.ranks
    fewer = find_engine(case.engine).less_memory
    return (
        f"{case.path}: {case.id}: its {case.ranks} ranks take at least {needed / GIB:.1f} GiB on this machine's CPU "
        f"({each / GIB:.2f} each), and {free / GIB:.1f} GiB are free: they may be killed for want of memory; give "
        f"{fewer}{', ' if fewer else ''}fewer ranks, or more hosts (--hosts)"
    )
