"""Hosts say what they are: by the real launcher, whatever else it prints, and in bounded time when one says nothing."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.host import proc
from lockstep.harness.host.polling import wait_until
from lockstep.harness.launch import survey as room
from lockstep.harness.launch.answer import Answer, find, line
from lockstep.harness.launch.check import Check
from lockstep.harness.launch.discovery import find as find_launcher
from lockstep.harness.launch.none import NoMpi
from lockstep.harness.launch.probe import facts
from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.launch.survey import survey_hosts
from tests.campaign.test_command_line import SCENARIO, lockstep

LOST = "localhost:2,nowhere.invalid:2"  # of these hosts one cannot be reached
ANSWER = Answer({"cores": 2, "host": "größer"}, (Check("torch", True, "2.13.0"),))


def test_this_host_answers_by_the_launcher() -> None:
    """Its facts are those that this process sees, and all checks of `doctor` came along."""
    (told,) = survey_hosts(find_launcher(), [RankMap.on_this_host(1)])
    assert (told.host, told.error) == (os.uname().nodename, "")
    assert told.answer is not None
    assert told.answer.facts == facts()
    assert {check.name for check in told.answer.checks} >= {"python", "torch", "launcher", "gpus"}


@given(st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 400))
def test_an_answer_is_found_whole_or_not_at_all(before: bytes, after: bytes, cut: int) -> None:
    """Whatever stands around it; a piece of one is none."""
    whole = line(ANSWER)
    assert find(before + whole + after) == ANSWER
    assert find(before + whole[:cut] + after) in (None, ANSWER)
    assert cut >= len(whole) or find(whole[:cut]) is None


def test_an_answer_comes_in_one_piece() -> None:
    """That of a host with sixteen GPUs is shorter than what a pipe takes at once: nobody's output gets into it."""
    gpu = {"index": 0, "name": "NVIDIA H100 80GB HBM3", "driver": "580.126.09", "memory_bytes": 85520809984}
    many = {**facts(), "gpus": [{**gpu, "index": number} for number in range(16)], "visible": list(map(str, range(16)))}
    assert len(line(Answer(many, tuple(Check(f"check {number}", False, "x" * 80, "y" * 80) for number in range(12))))) < 4096


@pytest.mark.parametrize(
    ("argv", "patience_s", "text"),
    [
        (["-c", "print('out of order'); raise SystemExit(7)"], 60.0, "none ended with 7: out of order"),
        (["-c", "import time; time.sleep(1000)"], 0.5, "no answer within 0 s"),
    ],
)
def test_a_host_that_does_not_answer(argv: list[str], patience_s: float, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named with the reason, in time, and what was started for it has ended."""
    mark = f"{os.getpid()}-survey"
    monkeypatch.setenv("LOCKSTEP_TEST_MARK", mark)
    monkeypatch.setattr(room, "COMMAND", [sys.executable, *argv])
    (told,) = survey_hosts(NoMpi(), [RankMap.on_this_host(1)], patience_s)
    assert (told.answer, told.error) == (None, text)
    assert wait_until(lambda: proc.with_variable("LOCKSTEP_TEST_MARK", mark) == [], 30)
    missing = replace(NoMpi(), program="/nowhere/mpiexec")
    assert survey_hosts(missing, [RankMap.on_this_host(1)])[0].error.startswith("cannot start /nowhere/mpiexec")


def test_ctrl_c_ends_all_launchers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not wait for hosts that say nothing."""
    monkeypatch.setattr(room, "COMMAND", [sys.executable, "-c", "import time; time.sleep(1000)"])
    begun = threading.Event()

    def interrupt(seconds: float) -> None:
        if begun.is_set():
            raise KeyboardInterrupt
        begun.set()

    monkeypatch.setattr(time, "sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        survey_hosts(NoMpi(), [RankMap.on_this_host(1)] * 2)


def test_doctor_of_hosts() -> None:
    """A table with a line a host, or JSON; a host that cannot be reached is named, and is exit code 3."""
    done = lockstep("doctor", "--hosts", "localhost:2", check=0)
    assert "localhost   ok" in done.stderr
    done = lockstep("doctor", "--hosts", LOST, "--interface", "lo", "--json", check=3)
    here, lost = json.loads(done.stdout)
    assert (here["host"], here["slots"], here["error"], here["facts"]) == ("localhost", 2, "", facts())
    assert lost["error"].startswith(f"{find_launcher().name} ended with")
    told = lockstep("doctor", "--hosts", LOST, "--interface", "lo", check=3).stderr
    assert f"nowhere.invalid: {find_launcher().name} ended with" in told
    assert "no such file" in lockstep("doctor", "--hosts", "gone.txt", check=2).stderr


def test_nothing_is_launched_when_a_host_is_lost(tmp_path: Path) -> None:
    """A run on hosts of which one does not answer is refused before there is a run."""
    words = ("--hosts", LOST, "--interface", "lo", "--reports", str(tmp_path / "runs"))
    done = lockstep("run", SCENARIO, *words, check=3)
    assert f"host nowhere.invalid cannot be used: {find_launcher().name} ended with" in done.stderr
    assert "nothing was launched" in done.stderr
    assert list(tmp_path.iterdir()) == []
