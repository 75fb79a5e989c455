"""The walls around engines: which of their rooms may reach torch and MPI, and what of the harness all may know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lockstep.engines.minimal as minimal
import lockstep.engines.source as source
import lockstep.harness as harness

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
OPEN = {"trace", "scenario"}  # what engines may know of the harness
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


def test_every_room_of_the_harness_is_behind_a_wall() -> None:
    """A room is one that engines may know, or the contract forbids it: no new room is left out."""
    (contract,) = re.findall(
        r'name = "Engines know events and scenarios only"\n.*?forbidden_modules = \[(.*?)\]',
        PYPROJECT.read_text(),
        re.DOTALL,
    )
    rooms = {path.parent.name for path in Path(harness.__path__[0]).glob("*/__init__.py")}
    assert {f"lockstep.harness.{room}" for room in rooms - OPEN} <= set(re.findall(r'"(lockstep\.[\w.]+)"', contract))
