"""When it is said that nothing has moved, and where a peek is asked and answered. No processes, no clock."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.channel.identity import machine
from lockstep.harness.errors import LockstepError
from lockstep.harness.watchdog.peek_folder import PeekFolder, is_gone
from lockstep.harness.watchdog.stillness import SOONER_S, Stillness, notice_s


@given(st.lists(st.booleans(), min_size=1, max_size=400), st.integers(1, 20))
def test_said_ever_more_seldom(moves: list[bool], after: int) -> None:
    """After 1, 3, 10 and 30 times the interval, then each 30 times it; whatever moves begins it anew."""
    stillness, marks, since, said = Stillness(after, 0.0), 0, 0, 0
    stillness.look(marks, 0.0)
    for second, moved in enumerate(moves, 1):
        if moved and second % 50 == 0:
            marks, since, said = marks + 1, second, 0
        stillness.look(marks, float(second))
        times = [1, 3, 10, *range(30, 100_000, 30)][said]
        assert stillness.due(second) == (second - since >= after * times)
        if stillness.due(second):
            stillness.said(second)
            said += 1


@pytest.mark.parametrize(("after", "sooner"), [(60, SOONER_S), (4, 4)])
def test_said_sooner_once(after: int, sooner: int) -> None:
    """Where more is known than that nothing moves, it is said before the rest, which comes as it would."""
    stillness = Stillness(after, 0.0)
    assert not stillness.due_sooner(sooner - 1)
    assert stillness.due_sooner(sooner)
    stillness.said(sooner)
    assert not stillness.due_sooner(sooner + 1)
    assert stillness.due(after) == (after != sooner)
    stillness.moved(100.0)
    assert not stillness.due_sooner(101.0)
    assert stillness.due_sooner(100.0 + sooner)


def test_never() -> None:
    """With an interval of 0 nothing is ever said."""
    assert not Stillness(0, 0.0).due_sooner(1e9)
    assert not Stillness(0, 0.0).due(1e9)
    assert not Stillness(0, 0.0).near(1e9)


@pytest.mark.parametrize(("text", "seconds"), [("", 60), ("5", 5), ("0", 0)])
def test_interval(text: str, seconds: int) -> None:
    """A minute, if nobody says anything else."""
    assert notice_s({"LOCKSTEP_NOTICE": text}) == seconds


@pytest.mark.parametrize("text", ["soon", "-1", "1.5", "٣"])
def test_interval_that_is_none(text: str) -> None:
    """What is no whole number is refused."""
    with pytest.raises(LockstepError, match="give a whole number of seconds"):
        notice_s({"LOCKSTEP_NOTICE": text})


def test_asked_and_answered(tmp_path: Path) -> None:
    """A request is there until its answer is; at the end only answers stay, and nothing where there are none."""
    folder = PeekFolder(tmp_path)
    folder.open("host", machine())
    (folder.path / "one.request").write_text("")
    assert folder.requests() == ["one"]
    folder.answer("one", {"text": "who waits"}, {"rank-0": "stack"})
    assert folder.requests() == []
    assert json.loads((folder.path / "one" / "answer.json").read_text()) == {"text": "who waits"}
    assert (folder.path / "one" / "stacks" / "rank-0.txt").read_text() == "stack"
    (folder.path / "two.request").write_text("")
    folder.close()
    assert [path.name for path in folder.path.iterdir()] == ["one"]
    PeekFolder(tmp_path / "none").close()


def test_watchdog_that_is_gone(tmp_path: Path) -> None:
    """Only a process of this machine is known to be gone; another one that has got its number is not it."""
    folder = PeekFolder(tmp_path)
    folder.open("host", machine())
    told = json.loads((folder.path / "watchdog.json").read_text())
    assert told["pid"] == os.getpid()
    assert not is_gone(told, machine())
    assert is_gone({**told, "started": told["started"] - 1}, machine())
    assert not is_gone({**told, "started": 0}, "another machine")
