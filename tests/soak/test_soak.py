"""The soak's judgement, and one round of it with real processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.soak.__main__ import Soak
from benchmarks.soak.disturbance import MARK, Disturbance, Disturber
from benchmarks.soak.programs import PROGRAMS
from lockstep.harness.host.polling import wait_until
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.vocabulary import Cause, Outcome

CLEAN, DEADLOCK = PROGRAMS[0], PROGRAMS[2]
PROVED = Verdict(Outcome.HANG, Cause.DEADLOCK, proved=True)
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


def test_what_is_left_is_told(tmp_path: Path) -> None:
    """A wrong verdict, a process that stays and memory that grows each fail a soak."""
    soak = Soak("1", tmp_path)
    assert not soak.failed
    soak._judge(1, CLEAN, Disturbance.NONE, "", PROVED)
    assert soak.failed
    assert "launch 1: clean, engine, left alone []: hang (deadlock, proved True)" in "\n".join(soak.table())
    soak = Soak("1", tmp_path)
    soak.figures["descriptors"] += [5, 6]
    assert soak.failed
    soak = Soak("1", tmp_path)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, MARK: "stays"})
    try:
        assert wait_until(lambda: f"process {process.pid}" in soak._remains("stays", set()), 30.0)
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(900)
def test_a_few_launches() -> None:
    """Three launches, drawn to be left alone, end with their table. Others may run MPI here: what is left is not held."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", "3", "35"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert "3 launches of 3 ranks" in done.stdout, done.stderr
    assert "wrong: 0\n" in done.stdout, done.stdout
