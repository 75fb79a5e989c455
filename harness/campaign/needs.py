"""Cases that lack what nobody but the user can give, or find no room: they are left out of a run, with a word. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.placement.pool import Pool
from lockstep.harness.placement.request import Lack, PlacementRequest
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine


def complete(cases: Sequence[Case]) -> tuple[list[Case], list[str]]:
    """The cases that lack nothing, and a sentence for each thing that others do. Raises LaunchError when none is left."""
    return _left([find_engine(case.engine).lacks(case.spec) for case in cases], cases)


def placeable(cases: Sequence[Case], pool: Pool) -> tuple[list[Case], list[str]]:
    """The cases that the hosts of a run can hold, and a sentence for each reason why they cannot hold others.

    Raises LaunchError when none is left.
    """
    requests = [PlacementRequest.of(case, pool.capacity) for case in cases]
    return _left([request.text if isinstance(request, Lack) else "" for request in requests], cases)


def _left(lacking: Sequence[str], cases: Sequence[Case]) -> tuple[list[Case], list[str]]:
    kept = [case for case, lack in zip(cases, lacking, strict=True) if not lack]
    counts = Counter(filter(None, lacking))
    said = [f"{count} of {len(cases)} cases are left out: {lack}" for lack, count in counts.items()]
    if not kept:
        raise LaunchError("\n".join(said))
    return kept, said
