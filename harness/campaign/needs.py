"""Cases that lack what nobody but the user can give: they are left out of a run, with a word. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.launch.deal import Hosts
from harness.launch.launcher import LaunchError
from harness.scenario.case import Case
from harness.scenario.engine import find_engine


def complete(cases: Sequence[Case], hosts: Hosts) -> tuple[list[Case], list[str]]:
    """The cases that lack nothing, and a sentence for each thing that others do. Raises LaunchError when none is left."""
    lacking = [find_engine(case.engine).lacks(case.spec) or hosts.lack(case.nodes, case.ranks) for case in cases]
    kept = [case for case, lack in zip(cases, lacking, strict=True) if not lack]
    counts = Counter(filter(None, lacking))
    said = [f"{count} of {len(cases)} cases are left out: {lack}" for lack, count in counts.items()]
    if not kept:
        raise LaunchError("\n".join(said))
    return kept, said
