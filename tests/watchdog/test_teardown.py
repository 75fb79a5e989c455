"""Whatever ends a case, nothing of it stays: no process, no shared memory, no temporary folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from lockstep.harness.host import proc, shared_memory
from lockstep.harness.host.polling import wait_until
from tests.watchdog.launch import judge

RANKS = 3
MARK = "LOCKSTEP_TEST_MARK"


def left_behind(before: set[str], mark: str) -> tuple[list[int], set[str]]:
    """Processes that carry the mark, and files that were not there before and that nobody uses."""
    return proc.with_variable(MARK, mark), leftovers() - before


def leftovers() -> set[str]:
    """Files of ours or of an MPI library in /dev/shm and /tmp that no living process uses.

    Other jobs may run on this host meanwhile; what they use is not left over.
    """
    found = {str(path) for path in Path(tempfile.gettempdir()).glob("lockstep-*")}
    folders = {folder for folder in found if not Path(folder).name.startswith("lockstep-cluster-")}  # of test hosts
    used = {folder for folder in folders if proc.with_variable("TMPDIR", folder)}
    topology = {str(path) for path in Path("/tmp").glob("hydra_*")}
    return folders - used | topology | shared_memory.unheld(shared_memory.made_by_mpi())


def nothing_left(before: set[str], mark: str) -> bool:
    """Whether within ten seconds nothing is left; other jobs may be cleaning up at this moment."""
    return wait_until(lambda: left_behind(before, mark) == ([], set()), 10.0, step_s=0.2)


@pytest.fixture
def mark(monkeypatch: pytest.MonkeyPatch) -> str:
    """A variable in the environment by which every process that a test starts can be found."""
    value = f"{os.getpid()}-{time.monotonic_ns()}"
    monkeypatch.setenv(MARK, value)
    return value


def start(program: str, folder: Path) -> subprocess.Popen[bytes]:
    """A head in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.watchdog.launch", program, str(RANKS), str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=hear_interrupts,
    )


def hear_interrupts() -> None:
    """In a child before exec: a shell that ran these tests in the background made them ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def engines(mark: str) -> list[int]:
    """The engine processes of a case."""
    return [pid for pid in proc.with_variable(MARK, mark) if b"tests.watchdog.ranks" in command_line(pid)]


def command_line(pid: int) -> bytes:
    """The command line of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("program", ["clean", "deadlock", "raise_one", "kill_one", "exit_all", "abort", "children"])
def test_nothing_stays(program: str, mark: str, tmp_path: Path) -> None:
    """After every kind of outcome no process and no file of the case is left."""
    before = leftovers()
    judge(program, RANKS, tmp_path)
    assert nothing_left(before, mark), left_behind(before, mark)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_nothing_stays_after_the_head(signum: signal.Signals, mark: str, tmp_path: Path) -> None:
    """Ctrl-C, SIGTERM or kill -9 of the head in the middle of a case leaves no process and no file."""
    before = leftovers()
    head = start("spin", tmp_path)
    assert wait_until(lambda: len(engines(mark)) == RANKS, 30.0)
    time.sleep(0.5)  # into the loop; any other moment must do as well
    head.send_signal(signum)
    head.wait(30)
    assert wait_until(lambda: not proc.with_variable(MARK, mark), 30.0)
    assert nothing_left(before, mark), left_behind(before, mark)


@pytest.mark.parametrize("processes", [2, 6])
def test_nothing_stays_after_a_head_that_was_killed_early(processes: int, mark: str, tmp_path: Path) -> None:
    """kill -9 of the head while its supervisors start: they give up as soon as nobody is seen to listen."""
    before = leftovers()
    head = start("spin", tmp_path)
    assert wait_until(lambda: len(proc.with_variable(MARK, mark)) >= processes, 30.0)
    head.kill()
    head.wait(30)
    assert wait_until(lambda: not proc.with_variable(MARK, mark), 30.0)
    assert nothing_left(before, mark), left_behind(before, mark)


def test_supervisor_killed(mark: str, tmp_path: Path) -> None:
    """kill -9 of one supervisor is never taken for a hang: the case is invalid, and nothing stays."""
    before = leftovers()
    head = subprocess.Popen(
        [sys.executable, "-m", "tests.watchdog.launch", "spin", str(RANKS), str(tmp_path)], stdout=subprocess.PIPE
    )
    assert wait_until(lambda: len(list(tmp_path.glob("rank-*.events"))) == RANKS, 30.0)  # all have reported
    victim = next(pid for pid in proc.with_variable(MARK, mark) if b"lockstep.harness.supervisor.rank" in command_line(pid))
    os.kill(victim, signal.SIGKILL)
    out, _ = head.communicate(timeout=60)
    verdict = json.loads(out)
    assert (verdict["outcome"], verdict["cause"]) == ("invalid", "node-lost")
    assert nothing_left(before, mark), left_behind(before, mark)
