"""The tree of errors: every error that a user may meet is in it, with the exit code that its class carries."""

from __future__ import annotations

import importlib
import pkgutil
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep import harness
from lockstep.harness import cli, errors
from lockstep.harness.errors import LockstepError
from lockstep.harness.unforeseen import EXIT_FAULT

DRAWN = re.compile(r"^[│├└─ ]*(\w+) {2,}(\d)", re.MULTILINE)


def tree(kind: type[LockstepError]) -> Iterator[tuple[str, int]]:
    """All classes below one, itself first."""
    yield kind.__name__, kind.exit_code
    for below in kind.__subclasses__():
        if below.__module__.startswith("lockstep."):
            yield from tree(below)


def test_the_tree_is_as_drawn() -> None:
    """The docstring of errors.py names every class with its exit code, and none that is not there."""
    cli.parser()  # imports all commands, and with them all rooms that raise something
    for module in pkgutil.walk_packages(harness.__path__, "lockstep.harness."):
        if module.name.endswith(".errors"):
            importlib.import_module(module.name)
    assert sorted(DRAWN.findall(errors.__doc__ or "")) == sorted(
        (name, str(code)) for name, code in set(tree(LockstepError))
    )


def test_a_fault_of_ours_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whatever a command did not foresee is exit code 3, never Python's 1; its trace is in a file that is named."""

    def broken(engine: str) -> dict[str, str]:
        raise ZeroDivisionError("by nothing")

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("lockstep.harness.commands.schema.json_schema", broken)
    assert cli.main(["schema"]) == EXIT_FAULT == 3
    (trace,) = tmp_path.iterdir()
    told = capsys.readouterr().err
    assert told.startswith("lockstep: ZeroDivisionError: by nothing; this is a fault of Lockstep")
    assert told.count("\n") == 1
    assert str(trace) in told
    assert "in broken" in trace.read_text()
