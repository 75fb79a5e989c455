"""What is said of a program that stands still while it goes on: by itself, and when `lockstep peek` asks."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.host import proc
from lockstep.harness.host.polling import wait_until
from tests.attach.launch import BIN, HERE
from tests.attach.test_command_line import PAGE, PATH, lockstep
from tests.attach.test_interruption import UNPROVED, hear
from tests.watchdog.own import MARK

QUEUES = (HERE / "engine_queue.py").read_text()
RANKS_LINE, FRONT_LINE = (
    next(number for number, line in enumerate(QUEUES.splitlines(), 1) if mark in line)
    for mark in ("the ranks' line", "the front end's line")
)
TRAINING = """\
import time, torch, torch.distributed as dist

dist.init_process_group("gloo")
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(8, 8))
def step():
    model(torch.randn(2, 8)).sum().backward(); time.sleep(0.1)
for _ in range(250):
    step()
"""
SCENARIO = """\
name: two-hangs
source: tests
summary: Two programs of which nothing is proved.
engine: command
config:
  argv: [python, unproved.py]
  processes: 2
limits: {deadline_s: 900}
matrix:
  config.env:
    - {WHICH: one}
    - {WHICH: two}
expect:
  - {outcome: success}
"""


@contextlib.contextmanager
def going(folder: Path, *words: str, notice_s: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A command of Lockstep that goes on; what it says on stderr is in the file `said`.

    In a session of its own: where one of a process group is stopped, the kernel may end all of them with SIGHUP.
    """
    env = {**os.environ, **PATH, MARK: str(folder), "LOCKSTEP_NOTICE": str(notice_s)}
    command, nowhere = [str(BIN / "lockstep"), *words], subprocess.DEVNULL
    with (folder / "said").open("w") as said, subprocess.Popen(
        command, cwd=folder, env=env, stdout=nowhere, stderr=said, preexec_fn=hear, start_new_session=True
    ) as head:  # fmt: skip
        try:
            yield head
        finally:
            head.kill()
    assert wait_until(lambda: not proc.with_variable(MARK, str(folder)), 60.0)


def lines_with(folder: Path, *parts: str) -> list[str]:
    """What was said on stderr, with all of these parts in one line."""
    return [line for line in (folder / "said").read_text().splitlines() if all(part in line for part in parts)]


def up(folder: Path, times: int) -> bool:
    """Whether all ranks have said that they are up."""
    logs = folder.glob("reports/runs/latest/cases/*/command-*.stdout")
    return wait_until(lambda: sum(log.read_text().count("up") for log in [*logs] or []) >= times, 1.0)


def await_up(folder: Path, times: int) -> None:
    """Until they have; a loaded host takes its time to import PyTorch."""
    assert wait_until(lambda: up(folder, times), 150.0, step_s=0.2)


@pytest.mark.timeout(300)
def test_nothing_has_moved(tmp_path: Path) -> None:
    """It is said who waits where and for whom, ranks or not, without a word of a hang, and the program goes on."""
    (tmp_path / "engine_queue.py").write_text(QUEUES)
    with going(tmp_path, "watch", "--", "python", "engine_queue.py", notice_s=2) as head:
        ranks = f"ranks 0-1 wait in Queue.get at engine_queue.py:{RANKS_LINE} in worker for process "
        front = f"which is no rank, stands at engine_queue.py:{FRONT_LINE} in main"
        assert wait_until(lambda: bool(lines_with(tmp_path, ranks, front)), 200.0, step_s=0.2), (
            tmp_path / "said"
        ).read_text()
        line = lines_with(tmp_path, ranks, front)[0]
        assert re.match(r"lockstep: nothing has moved for \d+ s: ", line)
        assert "hang" not in line
        assert head.poll() is None


@pytest.mark.timeout(300)
def test_training_moves(tmp_path: Path) -> None:
    """What DistributedDataParallel issues from C++, without an event, counts as something that moves."""
    (tmp_path / "train.py").write_text(TRAINING)
    with going(tmp_path, "watch", "-n", "2", "--", "python", "train.py", notice_s=8) as head:
        assert head.wait(250) == 0
    assert not lines_with(tmp_path, "nothing has moved", "train.py:6")


@pytest.mark.timeout(300)
def test_peek(tmp_path: Path) -> None:
    """Asked, a run says the same on stdout and in a folder of its own, and does not end; when it has ended that is said."""
    (tmp_path / "unproved.py").write_text(UNPROVED)
    page = re.search(r"^(lockstep peek)\b", PAGE, re.MULTILINE)
    assert page is not None
    with going(tmp_path, "watch", "-n", "2", "--", "python", "unproved.py") as head:
        await_up(tmp_path, 2)
        done = lockstep("peek", "--json", "--timeout", "100", folder=tmp_path)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert [rank["rank"] for rank in told["ranks"]] == [0, 1]
        lines = [rank["waits"][0]["site"] if rank["waits"] else rank["line"] for rank in told["ranks"]]
        assert [line.partition(" in ")[0] for line in lines] == ["unproved.py:4", "unproved.py:6"]
        answer = tmp_path / told["folder"]
        assert (answer / "waits.txt").read_text() == told["text"] + "\n"
        assert {path.name for path in (answer / "stacks").iterdir()} >= {"rank-0.txt", "rank-1.txt"}
        plain = lockstep(*page[1].split()[1:], folder=tmp_path)
        assert plain.returncode == 0, plain.stderr
        assert "unproved.py:4 in <module> for rank 1" in plain.stdout or "unproved.py:4" in plain.stdout
        assert head.poll() is None

        head.send_signal(signal.SIGSTOP)
        silent = lockstep("peek", "--timeout", "1", folder=tmp_path)
        assert silent.returncode == 3
        assert f"no answer within 1 s; its watchdog is process {head.pid} on " in silent.stderr
        assert not list(tmp_path.glob("reports/runs/*/cases/*/peek/*.request"))
        head.kill()
        head.send_signal(signal.SIGCONT)
        head.wait()
    ended = lockstep("peek", folder=tmp_path)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "no run goes on in reports/runs; the last run is " in ended.stderr
    named = lockstep("peek", "latest", folder=tmp_path)
    assert named.returncode == 2
    assert "has ended" in named.stderr


@pytest.mark.timeout(400)
def test_all_cases_in_flight(tmp_path: Path) -> None:
    """All cases of a run are asked; SIGTERM leaves of each a verdict with its waits, and its stacks."""
    (tmp_path / "unproved.py").write_text(UNPROVED)
    (tmp_path / "two.yaml").write_text(SCENARIO)
    with going(tmp_path, "run", "two.yaml", "--jobs", "2") as head:
        await_up(tmp_path, 4)
        done = lockstep("peek", "--json", "--timeout", "100", folder=tmp_path)
        told = [json.loads(line) for line in done.stdout.splitlines()]
        assert len({one["case"] for one in told}) == 2, done.stderr
        assert all("unproved.py:6" in one["text"] for one in told)
        head.terminate()
        assert head.wait(200) == 128 + signal.SIGTERM
    cases = sorted((tmp_path / "reports/runs/latest/cases").iterdir())
    verdicts = [json.loads((case / "verdict.json").read_text()) for case in cases]
    assert [(one["outcome"], one["cause"]) for one in verdicts] == [("invalid", "interrupted")] * 2
    assert all("unproved.py:6" in one["text"] for one in verdicts)
    assert all((case / "stacks" / "rank-1.txt").exists() for case in cases)


def test_nothing_to_ask(tmp_path: Path) -> None:
    """Without any run, and with what makes no sense, it is said what is wrong."""
    assert "no run goes on in reports/runs" in lockstep("peek", folder=tmp_path).stderr
    assert "no such run" in lockstep("peek", "gone", folder=tmp_path).stderr
    assert "give more than 0 seconds" in lockstep("peek", "--timeout", "0", folder=tmp_path).stderr


def test_interval_that_is_none(tmp_path: Path) -> None:
    """A wrong interval is said before anything is launched."""
    env = {**os.environ, **PATH, "LOCKSTEP_NOTICE": "soon"}
    words = [str(BIN / "lockstep"), "watch", "--", "touch", "ran"]
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "LOCKSTEP_NOTICE=soon: give a whole number of seconds" in done.stderr
    assert not (tmp_path / "ran").exists()
