"""The rooms of the minimal engine and of the engine source: which of them may reach torch and MPI."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lockstep.engines.minimal as minimal
import lockstep.engines.source as source

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
IMPURE = {"comm", "model", "device"}
CONTRACT = "The engine's control flow knows neither torch nor MPI"


@pytest.mark.parametrize("engine", [minimal, source])
def test_every_pure_room_is_behind_the_wall(engine: object) -> None:
    """A room is a package of the contract, or one of the three that libraries may reach: no new file is left out."""
    (contract,) = re.findall(rf'name = "{CONTRACT}"\n(.*?)forbidden_modules', PYPROJECT.read_text(), re.DOTALL)
    walled = re.findall(r'"(lockstep\.[\w.]+)"', contract)
    name, folder = engine.__name__, Path(engine.__path__[0])  # type: ignore[attr-defined]
    rooms = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert rooms
    assert {f"{name}.{room}" for room in rooms - IMPURE} <= set(walled)
