"""What `doctor` says of Lockstep's own packages, engines and plugin."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import pytest

from lockstep import harness
from lockstep.harness.commands.doctor import _show
from lockstep.harness.launch.check import Check
from lockstep.harness.launch.packages import wanted_of, whole

PINS = Path(__file__).parents[2] / "requirements" / "base.txt"


def versions(monkeypatch: pytest.MonkeyPatch, **other: str | None) -> None:
    """An environment as this one, but for these distributions; None: not installed."""
    known = importlib.metadata.version

    def version(name: str) -> str:
        found = other[name] if name in other else known(name)
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(importlib.metadata, "version", version)


def test_here_all_are_as_pinned() -> None:
    """In the environment of these tests one line says so, and one that the engines are there."""
    found = {check.name: check for check in whole()}
    assert set(found) == {"packages", "engines", "pytest plugin"}
    assert all(check.ok for check in found.values())
    assert found["packages"].found.endswith(", as they are pinned")


def test_one_is_missing_and_one_is_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a line of its own, with what is there and what to do."""
    versions(monkeypatch, rich=None, pandas="0.1")
    found = {check.name: check for check in whole() if not check.ok}
    assert set(found) == {"rich", "pandas"}
    assert found["rich"].found == "not installed"
    assert found["pandas"].found.startswith("0.1, and Lockstep is tested with ")
    assert found["rich"].advice.startswith("make env, or ")
    assert found["rich"].advice.endswith(f"-m pip install -r {PINS}")


def test_outside_of_a_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A wheel's requirements have no versions: a package must be there, in whichever."""
    folder = tmp_path / "site-packages" / "lockstep" / "harness"
    folder.mkdir(parents=True)
    monkeypatch.setattr(harness, "__file__", str(folder / "__init__.py"))
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["rich", "pandas", 'x>=2; extra == "more"'])
    versions(monkeypatch, rich=None, pandas="0.1")
    (check,) = (check for check in whole() if not check.ok)
    assert (check.name, check.advice) == ("rich", f"{sys.executable} -m pip install rich")


@pytest.mark.parametrize("there", [True, False])
def test_what_is_installed_by_entry_points(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its engines nothing runs; without the plugin all but marked tests does."""
    value = "lockstep.harness.pytest_plugin"
    point = importlib.metadata.EntryPoint
    given = {
        "lockstep.engines": [
            point(name, value, "lockstep.engines") for name, value in (("ours", "lockstep.engines.x:Y"), ("mine", "x:Y"))
        ],
        "pytest11": [point("lockstep", value, "pytest11")],
    }
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: given[group] if there else [])
    engines, plugin = whole()[-2:]
    assert engines.ok == there
    assert engines.found == ("mine, ours" if there else "Lockstep's own are not installed")
    assert plugin.ok
    assert plugin.found == "installed" if there else plugin.found.startswith("not installed; to have it: ")


def test_pins_of_each_python() -> None:
    """Only those that are meant for it, without what only builds."""
    older, newer = 'numpy==2.2.6 ; python_version < "3.11"', 'numpy==2.4.6 ; python_version >= "3.11"  # newer'
    lines = [older, newer, "Jinja2==3.1.6  # x"]
    assert wanted_of(lines, (3, 10)) == {"numpy": "2.2.6", "Jinja2": "3.1.6"}
    assert wanted_of(lines, (3, 11)) == {"numpy": "2.4.6", "Jinja2": "3.1.6"}
    assert wanted_of(["# a comment", "", "rich", "pyzmq>=27"], (3, 12)) == {"rich": "", "pyzmq": ""}


def test_what_is_not_here_is_not_called_ok(capsys: pytest.CaptureFixture[str]) -> None:
    """A line of what all is well without has a mark of its own, as has one of what is here, or is amiss."""
    plugin = "pytest plugin"
    _show(
        [
            Check(plugin, True, "not installed; to have it: x"),
            Check(plugin, True, "installed"),
            Check("rich", False, "not installed"),
        ]
    )
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["--", "ok", "FAIL"]
