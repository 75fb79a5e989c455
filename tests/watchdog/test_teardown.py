"""Whatever ends a case, nothing of it stays: no process, no shared memory, no temporary folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.host import launcher_files
from lockstep.harness.host.polling import wait_until
from lockstep.harness.launch.discovery import find
from tests.watchdog.launch import judge
from tests.watchdog.own import MARK, Own

RANKS = 3


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Own]:
    """Processes that a test starts are found by a variable in their environment, and their temporary files in a folder."""
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    monkeypatch.setenv(MARK, mark)
    with tempfile.TemporaryDirectory(prefix="left-") as folder, Own(mark, Path(folder)) as found:  # a short name
        monkeypatch.setenv("TMPDIR", folder)
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield found


def start(program: str, folder: Path, *more: str) -> subprocess.Popen[bytes]:
    """A head in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.watchdog.launch", program, str(RANKS), str(folder), *more],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=hear_interrupts,
    )


def hear_interrupts() -> None:
    """In a child before exec: a shell that ran these tests in the background made them ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def engines(own: Own) -> list[int]:
    """The engine processes of a case."""
    return [pid for pid in own.processes() if b"tests.watchdog.ranks" in command_line(pid)]


def command_line(pid: int) -> bytes:
    """The command line of a process; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize("program", ["clean", "deadlock", "raise_one", "kill_one", "exit_all", "abort", "children"])
def test_nothing_stays(program: str, own: Own, tmp_path: Path) -> None:
    """After every kind of outcome no process and no file of the case is left."""
    judge(program, RANKS, tmp_path)
    assert own.nothing_left(), own.left()


@pytest.mark.parametrize(
    ("signum", "how"),
    [
        (signal.SIGINT, ()),
        (signal.SIGKILL, ()),
        (signal.SIGTERM, ()),
        (signal.SIGINT, ("forked",)),
        (signal.SIGKILL, ("forked",)),
    ],
)
def test_nothing_stays_after_the_head(signum: signal.Signals, how: tuple[str, ...], own: Own, tmp_path: Path) -> None:
    """Ctrl-C, SIGTERM or kill -9 of the head in the middle of a case leaves no process and no file."""
    head = start("spin", tmp_path, *how)
    assert wait_until(lambda: len(engines(own)) == RANKS, 30.0)
    time.sleep(0.5)  # into the loop; any other moment must do as well
    head.send_signal(signum)
    head.wait(30)
    assert wait_until(lambda: not own.processes(), 30.0)
    assert own.nothing_left(), own.left()


@pytest.mark.parametrize("processes", [2, 6])
def test_nothing_stays_after_a_head_that_was_killed_early(processes: int, own: Own, tmp_path: Path) -> None:
    """kill -9 of the head while its supervisors start: they give up as soon as nobody is seen to listen."""
    head = start("spin", tmp_path)
    assert wait_until(lambda: len(own.processes()) >= processes, 30.0)
    head.kill()
    head.wait(30)
    assert wait_until(lambda: not own.processes(), 30.0)
    assert own.nothing_left(), own.left()


def test_supervisor_killed(own: Own, tmp_path: Path) -> None:
    """kill -9 of one supervisor is never taken for a hang: the case is invalid, and nothing stays."""
    head = subprocess.Popen(
        [sys.executable, "-m", "tests.watchdog.launch", "spin", str(RANKS), str(tmp_path)], stdout=subprocess.PIPE
    )
    assert wait_until(lambda: len(list(tmp_path.glob("rank-*.events"))) == RANKS, 30.0)  # all have reported
    victim = next(pid for pid in own.processes() if b"lockstep.harness.supervisor.rank" in command_line(pid))
    os.kill(victim, signal.SIGKILL)
    out, _ = head.communicate(timeout=60)
    verdict = json.loads(out)
    assert (verdict["outcome"], verdict["cause"]) == ("invalid", "node-lost")
    assert own.nothing_left(), own.left()


@pytest.mark.skipif(find().name != "hydra", reason="what MPICH's launcher forgets when it is killed")
def test_a_launcher_of_the_users_own(own: Own, tmp_path: Path) -> None:
    """Killed after the verdict it leaves no description of the host in /tmp; those of other jobs are not touched."""
    launcher, program = Path(sys.executable).with_name("mpiexec"), Path(__file__).parents[1] / "attach" / "mpi_program.py"
    words: list[str | Path] = [
        Path(sys.executable).with_name("lockstep"),
        "watch",
        "--reports",
        tmp_path,
        "--launcher",
        "none",
        "--",
    ]
    words += [launcher, "-n", "2", sys.executable, program, "deadlock"]
    clean = {name: text for name, text in os.environ.items() if name != "HWLOC_XMLFILE"}
    with subprocess.Popen(words, env=clean, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as head:
        _, said = head.communicate(timeout=110)
    assert "hang (deadlock, proved)" in said
    assert own.made(launcher_files.TOPOLOGY)
    assert own.nothing_left(), own.left()
