"""The commits of the engines of a run: each case is of the code that its ranks run, not of the harness that judges it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from lockstep.harness.launch.commit import state_of
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine


def with_commits(plan: Iterable[PlannedCase]) -> list[PlannedCase]:
    """The plan, each case with the commit of its engine's code as it is now."""
    known: dict[str, str] = {}
    return [replace(one, engine_commit=_commit(one.case, known)) for one in plan]


def _commit(case: Case, known: dict[str, str]) -> str:
    tree = find_engine(case.engine).tree(case.spec)
    if tree not in known:
        known[tree] = state_of(Path(tree)) if tree else ""
    return known[tree]
