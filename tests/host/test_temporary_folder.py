"""Temporary folders of processes that were ended at once are removed by the next that makes one, and no others."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockstep.harness.host.temporary_folder import YOUNG_S, temporary_folder

LEAVES = "import os; from lockstep.harness.host.temporary_folder import temporary_folder as t\nwith t('x'): os._exit(1)"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where temporary folders are made."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def age(*paths: Path) -> None:
    """Let them be older than any that is just being made."""
    for path in paths:
        os.utime(path, (time.time() - 2 * YOUNG_S,) * 2)


def test_what_nobody_needs_any_more_goes(place: Path) -> None:
    """A process that ends by `os._exit`, as a time-out does, leaves its folder; the next removes it, and then its own."""
    subprocess.run([sys.executable, "-c", LEAVES], env={**os.environ, "TMPDIR": str(place)}, timeout=60, check=False)
    (left,) = place.iterdir()
    (left / "run").mkdir()
    (left / "run" / "file").touch()
    age(left)
    with temporary_folder("x") as folder:
        assert list(place.iterdir()) == [folder]
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not list(place.iterdir())


def test_what_is_needed_stays(place: Path) -> None:
    """A folder whose maker lives, one that may be younger than its lock, another kind, and what others put there."""
    with temporary_folder("x") as lives, temporary_folder("y") as other:
        prefix = f"lockstep-x-{os.geteuid()}-"
        young, file, link = (place / f"{prefix}{name}" for name in ("young", "file", "link"))
        young.mkdir()
        file.touch()
        link.symlink_to(other)
        age(lives, file, other)
        with temporary_folder("x"):
            pass
        assert {*place.iterdir()} == {lives, other, young, file, link}
