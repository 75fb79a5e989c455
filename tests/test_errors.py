"""The tree of errors: every error that a user may meet is in it, with the exit code that its class carries."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator

from lockstep import harness
from lockstep.harness import cli, errors
from lockstep.harness.errors import LockstepError

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
