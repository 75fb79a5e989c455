"""What is told of a case of an engine while nothing moves costs none of its verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from lockstep.harness.environment import NOTICE
from lockstep.harness.vocabulary import Cause, Outcome
from lockstep.harness.watchdog.listener import Silent
from lockstep.harness.watchdog.session import CaseSession
from tests.watchdog.launch import watchdog

MARK = "LOCKSTEP_TEST_MARK"  # as in ranks.py, which imports MPI


class Telling(Silent):
    """Lets ranks go on when it is told that nothing has moved."""

    def __init__(self, mark: Path) -> None:
        super().__init__()
        self.mark, self.texts = mark, list[str]()

    def notice(self, text: str) -> None:
        """Stacks have been taken for this."""
        self.texts.append(text)
        self.mark.touch()


def test_a_hang_is_proved_after_a_notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That stacks were read of ranks that stood still is no doubt about what they do afterwards."""
    mark = tmp_path / "mark"
    monkeypatch.setenv(NOTICE, "1")
    monkeypatch.setenv(MARK, str(mark))
    listener = Telling(mark)
    program = watchdog("deadlock_when_told", 2, tmp_path, deadline_s=60.0, livelock_s=60.0)
    verdict = CaseSession(program.target, program.launcher, tmp_path, listener=listener).watch()
    assert listener.texts
    assert (verdict.outcome, verdict.cause, verdict.proved) == (Outcome.HANG, Cause.DEADLOCK, True)
    assert verdict.blame is not None
    logged = [path.read_text() for path in tmp_path.glob("*.log")]
    assert not any("not expected" in text for text in logged)
