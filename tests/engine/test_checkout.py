"""The minimal engine of a checkout: its own code runs, under the harness that judges, whatever else lies there."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from lockstep import harness
from lockstep.harness.scenario.engine import find_engine
from lockstep.harness.scenario.engine_base import EngineBase
from lockstep.harness.scenario.errors import NotInCheckout, ScenarioError

pytestmark = pytest.mark.slow  # starts processes, or torch

ENGINE = find_engine("minimal")
NOW = "import lockstep.engines.minimal.part; from lockstep import engines, harness; import lockstep.harness.trace"
BEFORE = "import engines.minimal.part, engines, harness, harness.trace"  # commits from before there was one package
MAIN = "{}; print(engines.__path__[0], harness.__file__, __name__)"


@pytest.mark.parametrize("names", [NOW, BEFORE])
@pytest.mark.parametrize("packages", [True, False])
@pytest.mark.parametrize("inside", [True, False])
def test_code_of_the_checkout_runs(names: str, packages: bool, inside: bool, tmp_path: Path) -> None:
    """`engines` is the checkout's, with or without __init__.py; `harness` is not, even if the checkout has one."""
    engines = tmp_path / "engines"
    (engines / "minimal").mkdir(parents=True)
    (engines / "minimal" / "__main__.py").write_text(MAIN.format(names))
    (engines / "minimal" / "part.py").write_text("")
    for package in (engines, engines / "minimal") if packages else ():
        (package / "__init__.py").write_text("")
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text("raise SystemExit('the wrong harness')")
    spec = ENGINE.at({"config": {}}, str(tmp_path if inside else engines))
    assert spec["config"] == {}
    done = subprocess.run(ENGINE.command(spec), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.split() == [str(engines), harness.__file__, "__main__"], done.stderr


def test_checkout_without_the_engine(tmp_path: Path) -> None:
    """A checkout that has no minimal engine is said to have none; an engine that has no checkouts likewise."""
    with pytest.raises(NotInCheckout, match="there is no engines/minimal"):
        ENGINE.at({}, str(tmp_path))

    class Plain(EngineBase[Any]):
        name = "plain"

    with pytest.raises(ScenarioError, match="'plain' cannot be run from a checkout"):
        Plain().at({}, str(tmp_path))
