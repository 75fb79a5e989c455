"""Several MPI worlds in one command: each has ranks of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.environment import NATIVE
from lockstep.harness.vocabulary import Outcome
from tests.attach.launch import BIN, python, watchdog
from tests.native.recorder import library

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize("native", [False, True])
def test_two_worlds_that_begin_at_once(native: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank 0 of one and rank 1 of the other never wait for each other, in whatever order they come."""
    if native:
        library()
        monkeypatch.setenv(NATIVE, "1")
    dog = watchdog(python("programs/worlds.py", "both"), 1, tmp_path)
    verdict = dog.watch()
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    assert "All 4 ranks" in verdict.text
    assert dog.state.proof.proved == 0


def test_ranks_that_were_spawned_are_not_their_parents(tmp_path: Path) -> None:
    """Who has started them may end: the ranks of its numbers in their own world still come."""
    mpiexec = [str(BIN / "mpiexec"), "-n", "2"]
    dog = watchdog([*mpiexec, *python("programs/worlds.py", "spawns")], 1, tmp_path)
    verdict = dog.watch()
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    assert "All 6 ranks" in verdict.text
    assert dog.state.proof.proved == 0
