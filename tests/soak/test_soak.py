"""The soak's judgement, and one round of it with real processes."""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.soak.__main__ import share, wrong
from benchmarks.soak.disturbance import MARK, Disturbance, Disturber
from benchmarks.soak.leftovers import Leftovers
from benchmarks.soak.programs import PROGRAMS
from benchmarks.soak.record import FLAT_BYTES, SETTLED, Launch, Record, failed, table
from lockstep.harness.host.polling import wait_until
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.vocabulary import Cause, Outcome

CLEAN, DEADLOCK = PROGRAMS[0], PROGRAMS[2]
PROVED = Verdict(Outcome.HANG, Cause.DEADLOCK, proved=True)
SEED = "10"  # the first three launches are left alone
LOST = Verdict(Outcome.INVALID, Cause.NODE_LOST)


@pytest.mark.parametrize("kind", Disturbance)
def test_what_is_right(kind: Disturbance) -> None:
    """A clean program is never deadlocked, whatever is done to it; a loss is right where a part was killed only."""
    assert not CLEAN.judged(PROVED, kind)
    assert CLEAN.judged(Verdict(Outcome.SUCCESS), kind)
    assert CLEAN.judged(LOST, kind) is (kind is Disturbance.KILL)
    assert DEADLOCK.judged(PROVED, kind)
    assert not DEADLOCK.judged(Verdict(Outcome.HANG, Cause.DEADLOCK, proved=False), kind)
    assert not DEADLOCK.judged(Verdict(Outcome.SUCCESS), kind)


@pytest.mark.parametrize("kind", [Disturbance.STOP, Disturbance.KILL])
def test_a_part_is_hit(kind: Disturbance) -> None:
    """A process that carries the mark is found; stopped it goes on afterwards, killed it is dead."""
    mark = f"test-{os.getpid()}-{kind.name}"
    command = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, env={**os.environ, MARK: mark})
    with Disturber(kind, mark, random.Random(3)) as disturber:
        assert wait_until(lambda: disturber.hit != "", 30.0)
        if kind is Disturbance.KILL:
            assert process.wait(30) == -signal.SIGKILL
    process.communicate()
    assert (process.returncode == 0) is (kind is Disturbance.STOP)


def test_a_wrong_verdict_fails_a_soak() -> None:
    """So do a process that stays, and memory or descriptors that grow; a right verdict does not."""
    right = wrong(1, CLEAN, Disturbance.NONE, "", Verdict(Outcome.SUCCESS))
    text = wrong(1, CLEAN, Disturbance.NONE, "", PROVED)
    assert (right, text) == ("", "launch 1: clean, engine, left alone []: hang (deadlock, proved True): ")
    for launches, bad in (
        ([launch(0)], False),
        ([launch(0, wrong=text)], True),
        ([launch(0, left=("process 7",))], True),
        ([launch(1, turn=SETTLED), launch(2, turn=SETTLED + 1, descriptors=6)], True),
        ([launch(1, turn=SETTLED), launch(2, turn=SETTLED + 1, memory=FLAT_BYTES)], False),
        ([launch(1, turn=1), launch(2, turn=SETTLED, descriptors=6)], False),
        ([launch(1, turn=SETTLED), launch(2, turn=SETTLED + 1, process="b", descriptors=6)], False),
    ):
        assert failed(launches) is bad, launches
        assert f"wrong: {sum(bool(one.wrong) for one in launches)}" in table(launches)


def launch(number: int, **changed: Any) -> Launch:
    """One that is as it should be, but for what is given."""
    plain: dict[str, Any] = {
        "program": CLEAN.title, "kind": Disturbance.NONE.value, "wrong": "", "left": (), "snapshots": 1, "after_s": None,
        "process": "a", "turn": 1, "memory": 1, "descriptors": 5, "threads": 1,
    }  # fmt: skip
    return Launch(number, **{**plain, **changed})


def test_a_record_is_gone_on_from(tmp_path: Path) -> None:
    """What is on disk is done; a line that was cut off is not, and is made again."""
    path = tmp_path / "new" / "shard.jsonl"
    record = Record(path)
    for number in range(3):
        record.add(launch(number, left=("x",)))
    path.write_text(path.read_text()[:-10])
    again = Record(path)
    assert again.done() == {0, 1}
    again.add(launch(2))
    assert Record(path).done() == {0, 1, 2}


@given(st.integers(1, 9999), st.integers(1, 9999))
def test_shares(one: int, of: int) -> None:
    """The I-th of N, from 1; nothing else is one."""
    if one <= of:
        assert share(f"{one}/{of}") == (one, of)
    for text in (f"{of + one}/{of}", f"0/{of}", f"{one}", f"{one}/", f"-{one}/{of}", f"{one}/{of}/1"):
        with pytest.raises(argparse.ArgumentTypeError, match="is no share"):
            share(text)


def test_what_is_left_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process with the mark and a folder of ours; not those of others, nor what was there before."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "lockstep-before").mkdir()
    leftovers = Leftovers("stays")
    (tmp_path / "lockstep-after").mkdir()
    (tmp_path / "others").mkdir()
    words = [sys.executable, "-c", "import time; time.sleep(60)"]
    ours, other = (subprocess.Popen(words, env={**os.environ, MARK: mark}) for mark in ("stays", "other"))
    try:
        wanted = [f"process {ours.pid}", str(tmp_path / "lockstep-after")]
        assert wait_until(lambda: leftovers.found() == wanted, 30.0), leftovers.found()
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


@pytest.mark.timeout(900)
def test_a_few_launches(tmp_path: Path) -> None:
    """Shares of three launches that are drawn to be left alone, bounded in time and gone on with, end with their table."""
    words = [sys.executable, "-m", "benchmarks.soak", "3", SEED, "--folder", str(tmp_path)]

    def said(*more: str) -> str:
        done = subprocess.run(
            [*words, *more], cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=880, check=False
        )
        assert "wrong: 0\n" in done.stdout, done.stdout + done.stderr
        # Without a world of its own others may run MPI meanwhile.
        assert "left behind: 0" in done.stdout or "no namespaces" in done.stderr, done.stdout
        return done.stdout

    assert "not done for want of time: 2" in said("--shard", "1/2", "--seconds", "0")
    assert "2 launches" in said("--shard", "1/2")
    assert "1 launches" in said("--shard", "2/2")
    assert "\n3 launches" in said("--table")
