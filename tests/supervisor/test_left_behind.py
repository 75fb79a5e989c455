"""What a command leaves behind: what is waited for is told, but not what ends by itself right after it."""

from __future__ import annotations

import pytest

from lockstep.harness.host import proc
from lockstep.harness.supervisor import left_behind
from lockstep.harness.supervisor.idleness import Idleness
from lockstep.harness.supervisor.left_behind import TOLD_S, Leftover

PID = 4711


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> Leftover:
    """Of a command that has ended at 0.0 and has left one Python process of ours."""
    monkeypatch.setattr(left_behind, "descendants", lambda parent: [PID])
    for name, value in (("is_zombie", False), ("is_python", True), ("has_variable", True), ("command_line", "python d.py")):
        monkeypatch.setattr(proc, name, lambda *words, value=value: value)
    return Leftover(("NAME", "value"), 0.0)


def test_what_ends_at_once_is_not_told(left: Leftover) -> None:
    """multiprocessing's resource tracker outlives its command by a moment: it is waited for without a word."""
    assert left.goes_on((), Idleness(), 0.0, 0.0)
    assert left.goes_on((), Idleness(), 0.0, TOLD_S * 0.9)
    assert left.news == ""


def test_what_goes_on_is_told_once(left: Leftover) -> None:
    """A daemon that does the work is named, so that nobody wonders why the command has not ended."""
    said = ""
    for tenth in range(100):
        assert left.goes_on((), Idleness(), 0.0, tenth / 10)
        said, left.news = said + left.news, ""
    assert said == f"lockstep: the command has ended; what it left behind is waited for: process {PID} (python d.py)\n"
