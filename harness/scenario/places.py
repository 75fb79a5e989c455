"""Where scenarios are. Standard library only: a shell that completes a name asks here."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

from lockstep.harness.environment import SCENARIOS
from lockstep.harness.scenario.errors import ScenarioError

HERE = Path("scenarios")  # of the current folder, as in a checkout
PACKAGED = Path(__file__).parents[2] / "scenarios"  # what an installation brings
WAIVES = "waives.yaml"  # may lie among the scenarios, and is none


def root() -> Path:
    """The folder of scenarios: as LOCKSTEP_SCENARIOS says, else `scenarios` of the current folder, else what is installed.

    Raises ScenarioError where the variable names no folder.
    """
    named = os.environ.get(SCENARIOS)
    if named:
        if not Path(named).is_dir():
            raise ScenarioError(f"{SCENARIOS}={named}: no such folder; name the one that holds your scenarios, or unset it")
        return Path(named)
    return HERE if HERE.is_dir() else PACKAGED


def named(name: str) -> list[Path]:
    """The files of the scenario of this name. Raises ScenarioError where there is none, with the name that is nearest."""
    files = [file for file in sorted(root().rglob("*.yaml")) if file.name != WAIVES]
    found = [file for file in files if file.stem == name]
    if not found:
        stems = sorted({file.stem for file in files}) if "/" not in name else []
        close = difflib.get_close_matches(name, stems, n=1)
        hint = f"did you mean {close[0]}?" if close else "`lockstep list` shows what there is"
        raise ScenarioError(f"{name}: no such file, folder or scenario; {hint}")
    return found


def below_root(path: Path) -> Path:
    """`scenarios/NAME` and `NAME` both mean a folder of the scenarios, wherever these are."""
    parts = path.parts[1:] if path.parts[:1] == (HERE.name,) else path.parts
    return root().joinpath(*parts)
