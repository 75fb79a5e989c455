"""Ctrl-C, SIGTERM and SIGHUP leave of a program what a deadline leaves of it, and nothing of it runs on."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.host import proc
from lockstep.harness.host.polling import wait_until
from lockstep.harness.judge.verdict import Verdict
from tests.attach.launch import BIN
from tests.attach.test_command_line import PATH
from tests.watchdog.own import MARK, Own

# Rank 0 waits for a message that rank 1, which is busy with something else, may still send: nothing is ever proved of it.
UNPROVED = """\
import time, torch, torch.distributed as dist
dist.init_process_group("gloo")
if dist.get_rank() == 0:
    print("up", flush=True); dist.recv(torch.ones(2), src=1)
print("up", flush=True)
while True: time.sleep(0.2)
"""
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def hear() -> None:
    """In a child before exec: who runs these tests may ignore signals, which children would inherit."""
    for signum in SIGNALS:
        signal.signal(signum, signal.SIG_DFL)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`lockstep watch` on two ranks that have both said that they are up."""
    (tmp_path / "unproved.py").write_text(UNPROVED)
    words = [str(BIN / "lockstep"), "watch", "-n", "2", "--", "python", "unproved.py"]
    temporary = tmp_path / "t"
    temporary.mkdir()
    env = {**os.environ, **PATH, MARK: str(tmp_path), "TMPDIR": str(temporary)}
    with subprocess.Popen(
        words, cwd=tmp_path, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=hear
    ) as head:
        assert head.stdout is not None
        assert [head.stdout.readline() for _ in range(2)] == [b"up\n", b"up\n"]
        yield head
        head.kill()


def kept(folder: Path) -> tuple[Verdict, set[str]]:
    """The verdict of the last run, and the files beside it."""
    (case,) = (folder / "reports/runs/latest/cases").iterdir()
    files = {path.relative_to(case).as_posix() for path in case.rglob("*") if path.is_file()}
    return Verdict.from_json(json.loads((case / "verdict.json").read_text())), files


@pytest.mark.timeout(240)
@pytest.mark.parametrize("signum", SIGNALS)
def test_evidence_of_an_interrupted_program(
    signum: signal.Signals, tmp_path: Path, watched: subprocess.Popen[bytes]
) -> None:
    """Who waits at which line, stacks, events and dumps are kept; the exit code is that of the signal."""
    watched.send_signal(signum)
    _, said = watched.communicate(timeout=150)
    assert watched.returncode == 128 + signum
    verdict, files = kept(tmp_path)
    name = "Ctrl-C" if signum == signal.SIGINT else signum.name
    assert (verdict.outcome.value, verdict.cause.value, verdict.proved) == ("invalid", "interrupted", None)
    assert f"Interrupted by {name} after " in verdict.text
    assert "unproved.py:4" in verdict.text
    assert "unproved.py:6" in verdict.text
    assert verdict.text in said.decode()
    assert [end.rank for end in verdict.ranks] == [0, 1]
    names = [f"{name}-{rank}.{kind}" for rank in (0, 1) for name, kind in (("rank", "events"), ("stacks/rank", "txt"))]
    assert set(names) <= files
    assert {"flight-recorder-rank-0.json", "flight-recorder-rank-1.json"} <= files
    (waits,) = (tmp_path / "reports/runs/latest/cases").glob("*/waits.json")
    told = [
        (rank["rank"], wait["op"])
        for rank in json.loads(waits.read_text())["ranks"]
        for wait in rank["waits"]
        if wait["comm"]
    ]
    assert told == [(0, "recv")]
    assert wait_until(lambda: not proc.with_variable(MARK, str(tmp_path)), 30.0)


@pytest.mark.timeout(240)
def test_asked_many_times(tmp_path: Path, watched: subprocess.Popen[bytes]) -> None:
    """Who presses Ctrl-C again and again gets the end sooner, never loses the verdict, and no folder stays."""
    with Own(str(tmp_path), tmp_path / "t") as own:
        for _ in range(12):
            with contextlib.suppress(ProcessLookupError):
                watched.send_signal(signal.SIGINT)
            time.sleep(0.05)
        watched.communicate(timeout=150)
        assert own.nothing_left(), own.left()
    assert watched.returncode == 128 + signal.SIGINT
    verdict, files = kept(tmp_path)
    assert verdict.cause.value == "interrupted"
    assert "rank-0.events" in files


@pytest.mark.timeout(240)
def test_terminal_that_goes_away(tmp_path: Path) -> None:
    """A terminal that is closed costs nothing of it, though nothing can be said there any more."""
    (tmp_path / "unproved.py").write_text(UNPROVED)
    master, slave = pty.openpty()

    def own_terminal() -> None:
        hear()
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)

    words = [str(BIN / "lockstep"), "watch", "-n", "2", "--", "python", "unproved.py"]
    env = {**os.environ, **PATH, MARK: str(tmp_path)}
    with subprocess.Popen(
        words, cwd=tmp_path, env=env, stdin=slave, stdout=slave, stderr=slave, preexec_fn=own_terminal
    ) as head:
        os.close(slave)
        said = b""
        while said.count(b"up") < 2:
            said += os.read(master, 1000)
        os.close(master)
        assert head.wait(150) == 128 + signal.SIGHUP
    verdict, files = kept(tmp_path)
    assert verdict.cause.value == "interrupted"
    assert {"stacks/rank-0.txt", "stacks/rank-1.txt"} <= files
    assert wait_until(lambda: not proc.with_variable(MARK, str(tmp_path)), 30.0)
