"""Who may read a run."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from lockstep.harness.report.store import new_folder


@pytest.mark.parametrize("run_id", [None, "night"])
def test_a_run_is_its_users_alone(run_id: str | None, tmp_path: Path) -> None:
    """Command lines, output and stacks lie in its folder, which nobody else may enter."""
    path = new_folder(tmp_path / "runs", run_id, "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.parent.stat().st_mode) & 0o500 == 0o500
