"""The pytest plugin on real ranks: tests that pass, raise on one rank, skip on all, and hang; nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.host.polling import wait_until

BEGINNING = """
import os
import pytest
import torch
import torch.distributed as dist

@pytest.fixture
def world():
    dist.init_process_group("gloo")
    yield dist.get_rank()
    dist.destroy_process_group()
"""
PASSES = """
@pytest.mark.lockstep(ranks=2)
@pytest.mark.parametrize("size", [3])
def test_sum(world, size):
    tensor = torch.ones(size)
    dist.all_reduce(tensor)
    assert tensor.tolist() == [2.0] * size

def test_without_a_mark():
    assert "RANK" not in os.environ
"""
RAISES = """
@pytest.mark.lockstep(ranks=2)
def test_one_rank(world):
    if world == 1:
        raise ValueError("no room")
    dist.barrier()
"""
SKIPS = """
@pytest.mark.lockstep(ranks=2)
def test_all_ranks(world):
    pytest.skip("no such device")
"""
HANGS = """
@pytest.mark.lockstep(ranks=2, deadline=60)
def test_mismatch(world):
    if world == 0:
        dist.all_reduce(torch.ones(2))
    else:
        dist.barrier()
        dist.barrier()
"""
ODD = """
@pytest.mark.lockstep(ranks=2, timeout=3)
def test_mistake():
    pass

@pytest.mark.lockstep(rank=2)
def test_misspelt():
    pass

@pytest.mark.lockstep(ranks=2, deadline="60")
def test_text():
    pass

@pytest.mark.lockstep(2, 60, "auto", 5)
def test_one_too_many():
    pass

def test_of_the_fixture(lockstep_watch):
    lockstep_watch(["true"], deadline=float("nan"))

@pytest.mark.skip("not now")
@pytest.mark.lockstep(ranks=2)
def test_skipped_before():
    pass
"""


def run(folder: Path, text: str, *words: str, beginning: str = BEGINNING) -> subprocess.CompletedProcess[str]:
    """A pytest of a user's, on a file of this text."""
    (folder / "test_it.py").write_text(beginning + text)
    limit = 200 if "-n" in words else 110  # below that of the test
    plugin = ["-p", "no:lockstep", "-p", "lockstep.harness.pytest_plugin"]  # as its entry point loads it
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", *plugin, "test_it.py", *words]
    (folder / "tmp").mkdir()  # what a pytest leaves that is ended at once stays there
    environment = {**os.environ, "GLOO_SOCKET_IFNAME": "lo", "TMPDIR": str(folder / "tmp")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=limit, check=False)


def test_passes(tmp_path: Path) -> None:
    """Every rank has run the test, with fixtures and parameters of its own; of a success no run is kept."""
    done = run(tmp_path, PASSES, "--timeout=100")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    assert not (tmp_path / "reports").exists()


def test_the_page(tmp_path: Path) -> None:
    """The test on docs/pytest.md runs as it stands there."""
    page = (Path(__file__).parents[1] / "docs" / "pytest.md").read_text()
    (example,) = re.findall(r"<!-- example -->\n```python\n(.*?)```", page, re.DOTALL)
    done = run(tmp_path, example)
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_raises_on_one_rank(tmp_path: Path) -> None:
    """The test fails with that rank's traceback and the verdict, and the run is kept where the report says."""
    done = run(tmp_path, RAISES)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "ValueError: no room" in done.stdout
    assert "rank 1, call:" in done.stdout
    assert re.search(r"lockstep: (raise|hang|crash) ", done.stdout)
    (place,) = re.findall(r"^report: (.+)$", done.stdout, re.MULTILINE)
    assert next(Path(place).parent.glob("cases/*/verdict.json")).is_file()
    assert Path(place).is_file()
    assert "lockstep-pytest-" not in done.stdout, "a folder that is gone"
    assert (tmp_path / "reports" / "runs" / "latest" / "report.html").is_file()


def test_skips_on_all(tmp_path: Path) -> None:
    """With the reason that the ranks give."""
    done = run(tmp_path, SKIPS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 skipped" in done.stdout
    assert "no such device" in done.stdout


def test_hangs(tmp_path: Path) -> None:
    """The sentence of the verdict, and where ranks first differ, instead of a time-out."""
    done = run(tmp_path, HANGS)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "lockstep: hang (" in done.stdout
    assert "test_it.py" in done.stdout
    assert "all_reduce" in done.stdout
    assert "barrier" in done.stdout
    assert "report: " in done.stdout


def test_mistakes_and_marks_that_need_no_rank(tmp_path: Path) -> None:
    """A mark that says what there is not fails at once; a test that is skipped by its mark starts nothing."""
    done = run(tmp_path, ODD)
    advice = "give ranks=N, from 1 on; deadline and launcher are all else"
    assert f"@pytest.mark.lockstep: timeout: no such argument; {advice}" in done.stdout
    assert "@pytest.mark.lockstep: rank: no such argument; did you mean ranks?: Mark(" in done.stdout
    assert "@pytest.mark.lockstep: deadline='60': give seconds, above 0" in done.stdout
    assert f"@pytest.mark.lockstep: 4 arguments without a name; {advice}" in done.stdout
    assert "lockstep_watch: deadline=nan: give seconds, above 0" in done.stdout
    assert "not now" in done.stdout
    assert "5 failed, 1 skipped" in done.stdout


COMMAND = """
import sys

def test_command(lockstep_watch):
    assert lockstep_watch([sys.executable, "-c", "print(1)"])["outcome"] == "success"
    assert lockstep_watch([sys.executable, "-c", "raise SystemExit(3)"], check=False)["outcome"] == "crash"
    lockstep_watch([sys.executable, "-c", "raise SystemExit(3)"])
"""


def test_the_fixture_for_commands(tmp_path: Path) -> None:
    """A command's verdict is given, and one that is no success fails the test with its sentence."""
    done = run(tmp_path, COMMAND)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "lockstep: crash (abort): The command ended: exit status 3." in done.stdout


BESIDE = """
import os
import pytest

@pytest.mark.lockstep(ranks=2)
def test_on_ranks():
    assert "PYTEST_XDIST_WORKER" not in os.environ
    assert os.environ["WORLD_SIZE"] == "2"

@pytest.mark.lockstep(ranks=2)
def test_one_raises():
    if os.environ["RANK"] == "1":
        raise ValueError("no room")

@pytest.mark.lockstep(ranks=1)
def test_skips():
    pytest.skip("no such device")

def test_without_a_mark():
    assert os.environ["PYTEST_XDIST_WORKER"].startswith("gw")
"""


@pytest.mark.timeout(240)
def test_beside_xdist(tmp_path: Path) -> None:
    """Workers deal marked tests as any others: several at a time, each on ranks of its own, which are no workers."""
    done = run(tmp_path, BESIDE, "-n", "2", beginning="")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 2 passed, 1 skipped" in done.stdout
    assert "no such device" in done.stdout
    assert "ValueError: no room" in done.stdout
    (place,) = re.findall(r"^report: (.+)$", done.stdout, re.MULTILINE)
    assert Path(place).parents[1] == tmp_path / "reports" / "runs"
    assert wait_until(lambda: _none_of(tmp_path / "test_it.py"), 60.0, step_s=0.2)


KILLED = """
import os
import pytest

@pytest.mark.lockstep(ranks=2, deadline=600)
def test_stands():
    import pathlib, time
    pathlib.Path("there").touch()
    time.sleep(500)

def test_kills_the_other_worker():
    import pathlib, signal, time
    while not pathlib.Path("there").exists():
        time.sleep(0.1)
    (other,) = {int(pid) for pid in pathlib.Path("workers").read_text().split()} - {os.getpid()}
    os.kill(other, signal.SIGKILL)
"""
NOTED = """
import os, pathlib

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        with open("workers", "a") as file:
            file.write(f"{os.getpid()} ")
"""


@pytest.mark.timeout(240)
def test_a_worker_that_is_killed(tmp_path: Path) -> None:
    """xdist tells of it, and the ranks of its test end with it."""
    (tmp_path / "conftest.py").write_text(NOTED)
    done = run(tmp_path, KILLED, "-n", "2", "--max-worker-restart=0", beginning="")
    assert done.returncode != 0
    assert "crashed while running" in done.stdout, done.stdout + done.stderr
    assert wait_until(lambda: _none_of(tmp_path / "test_it.py"), 60.0, step_s=0.2)


STANDS = """
@pytest.mark.lockstep(ranks=2, deadline=600)
def test_stands():
    import time
    time.sleep(500)
"""


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_a_time_out_of_pytest_timeout(method: str, tmp_path: Path) -> None:
    """It ends the watch, and that all ranks."""
    done = run(tmp_path, STANDS, "--timeout=4", f"--timeout-method={method}")
    assert done.returncode != 0
    assert "Timeout" in done.stdout + done.stderr
    assert wait_until(lambda: _none_of(tmp_path / "test_it.py"), 60.0, step_s=0.2)


def _none_of(path: Path) -> bool:
    """Whether no process is left that has this in its command line."""
    return not any(str(path).encode() in line for line in _command_lines())


def _command_lines() -> Iterator[bytes]:
    """Those of all processes that there are."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has just ended
            yield path.read_bytes()
