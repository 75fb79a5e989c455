"""Where an option says that something goes: what is wrong there is told with the option as it was typed."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockstep.harness.scenario.errors import ScenarioError

_FULL = (errno.ENOSPC, errno.EDQUOT)  # nothing that another word on the command line mends


@contextmanager
def written(option: str, path: Path, advice: str = "") -> Iterator[None]:
    """While what the option names is being written. Raises ScenarioError; a full disk stays an OSError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            error.filename = str(path)
            raise
        more = f"; {advice}" if advice else ""
        raise ScenarioError(f"{option} {path}: cannot be written: {error.strerror}{more}") from error


def make_root(root: Path) -> None:
    """Make the folder of all runs, where it is not there. Raises ScenarioError."""
    if root.exists() and not root.is_dir():
        raise ScenarioError(no_root(root))
    with written("--reports", root, "name a folder in which you may write"):
        root.mkdir(parents=True, exist_ok=True)


def no_root(root: Path) -> str:
    """What is said of a folder of runs that is none."""
    if root.exists():
        return f"--reports {root}: is a file; name a folder"
    return f"{root}: no such folder, so there are no runs"
