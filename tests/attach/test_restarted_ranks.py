"""Ranks that torchrun starts anew after one of them has failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.vocabulary import Outcome
from tests.attach.launch import BIN, HERE, python, watch, watchdog


@pytest.mark.timeout(200)
def test_a_job_is_judged_by_its_last_round(tmp_path: Path) -> None:
    """Whoever failed in the last round is to blame, by its number there."""
    torchrun = [str(BIN / "torchrun"), "--nproc-per-node", "2", "--max-restarts", "1", "--monitor-interval", "0.1"]
    verdict = watch([*torchrun, str(HERE / "programs/restarted.py")], 1, tmp_path)
    assert [end.rank for end in verdict.ranks] == [0, 1], verdict.text
    assert verdict.outcome is Outcome.RAISE, verdict.text
    assert verdict.blame is not None
    assert verdict.blame.ranks == (0,)
    assert "ValueError: in the second round" in verdict.text


@pytest.mark.timeout(200)
def test_who_looks_after_ranks_now_and_then_may_start_them_anew(tmp_path: Path) -> None:
    """Ranks that wait for each other are no proved hang while it sleeps, and what it starts takes their places."""
    dog = watchdog(python("programs/restarter.py"), 1, tmp_path)
    verdict = dog.watch()
    assert verdict.outcome is Outcome.SUCCESS, verdict.text
    assert [end.rank for end in verdict.ranks] == [0, 1], verdict.text
    assert dog.state.proof.proved == 0
