"""Which case of a run is meant by a name that a person types."""

from __future__ import annotations

import difflib
from pathlib import Path

from lockstep.harness.report.line import Line
from lockstep.harness.report.store import RunStore, find_run
from lockstep.harness.scenario.errors import ScenarioError


def open_run(name: str, root: Path) -> RunStore:
    """A run by its id or folder. Raises ScenarioError."""
    try:
        return RunStore.open(find_run(name, root))
    except ValueError as error:
        raise ScenarioError(str(error)) from error


def find_case(store: RunStore, name: str) -> Line:
    """A case by its id, its folder, or a part of these that no other has. Raises ScenarioError."""
    lines = store.lines
    exact = [line for line in lines if name in (line.slug, line.case)]
    found = exact or [line for line in lines if name in line.case or name in line.slug]
    if len({line.slug for line in found}) == 1 or (exact and found):
        return found[0]
    if found:
        some = ", ".join(line.case for line in found[:5]) + (", ..." if len(found) > 5 else "")
        raise ScenarioError(f"{name}: {len(found)} cases of run {store.id} are called so: {some}; say more of the name")
    close = difflib.get_close_matches(name, [line.case for line in lines], n=1)
    hint = (
        f"did you mean {close[0]}?"
        if close
        else f"there are {', '.join(line.case for line in lines[:5])}" + (", ..." if len(lines) > 5 else "")
    )
    raise ScenarioError(f"{name}: no such case in run {store.id}; {hint}")


def is_case(path: Path) -> bool:
    """Whether it is the folder of a case."""
    return (path / "case.json").is_file() and path.parent.name == "cases"
