"""A wall clock may be set at any moment: nothing that decides looks at it."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.test_faults import LOCKSTEP, PROGRAM

ROOT = Path(__file__).parents[2]
DECIDING = (
    "attach",
    "channel",
    "host",
    "inspection",
    "judge",
    "launch",
    "native",
    "placement",
    "supervisor",
    "trace",
    "watchdog",
)
WALL = {
    "time": {"time", "time_ns", "localtime", "gmtime", "ctime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
}
OF_FILES = {"st_mtime", "st_ctime", "st_atime", "st_mtime_ns", "st_ctime_ns", "st_atime_ns"}
IN_C = re.compile(r"CLOCK_REALTIME|gettimeofday|\btime\(NULL\)|\btime\(0\)")
# What does look at it, and why it may.
ALLOWED = {
    "channel/identity.py": "told at the hello, so that people can compare logs of hosts",
    "host/shared_folder.py": "how old a folder is that nobody holds and a crash has left; what a run uses is held",
    "host/sweep.py": "which files are new, of those that no process holds; else they stay",
    "host/temporary_folder.py": "how old a folder is that nobody holds and another process left; what is used is held",
    "launch/slurm_job.py": "Slurm tells the end of an allocation as a time of day",
}


def wall_clocks(source: str) -> Iterator[int]:
    """The lines that read a wall clock, or the time of a file, which was written by one."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in OF_FILES or node.attr in WALL.get(owner, ()) or node.attr == "CLOCK_REALTIME":
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "time":
            yield from (node.lineno for name in node.names if name.name in WALL["time"])


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("import time\nx = time.time()", [2]),
        ("from time import time", [1]),
        ("time.monotonic(); time.sleep(1)", []),
        ("x = path.stat().st_mtime", [1]),
        ("datetime.now(timezone.utc)", [1]),
        ("time.clock_gettime(time.CLOCK_REALTIME)", [1]),
        ("f = time.time_ns", [1]),
    ],
)
def test_a_wall_clock_is_seen(source: str, lines: list[int]) -> None:
    """However it is read."""
    assert list(wall_clocks(source)) == lines


def test_nothing_that_decides_reads_a_wall_clock() -> None:
    """In no room between the launch and the verdict, but where a reason stands; and a reason that is needed no more goes."""
    found = {
        path.relative_to(ROOT / "harness").as_posix()
        for room in DECIDING
        for path in (ROOT / "harness" / room).rglob("*")
        if (path.suffix == ".py" and list(wall_clocks(path.read_text())))
        or (path.suffix in (".c", ".h", ".inc") and IN_C.search(path.read_text()))
    }
    assert found == set(ALLOWED)


@pytest.fixture(scope="module")
def stepping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes the wall clock of a process step; nothing else of the host is changed."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no compiler")
    target = tmp_path_factory.mktemp("clock") / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(target), str(source)], check=True, timeout=60)
    return target


@pytest.mark.parametrize(
    ("program", "code", "said"), [("clean", 0, "success:"), ("deadlock", 1, "hang (deadlock, proved):")]
)
def test_a_clock_that_steps(program: str, code: int, said: str, stepping: Path, tmp_path: Path) -> None:
    """Watchdog, supervisors and ranks see the time of day go to and fro by a year: the verdict is what it is elsewhere."""
    words = [str(LOCKSTEP), "watch", "-n", "2", "--", sys.executable, str(PROGRAM), program]
    env = {**os.environ, "LD_PRELOAD": str(stepping)}
    seen = [sys.executable, "-c", "import time; a = time.time()\nwhile abs(time.time() - a) < 1e7: time.sleep(0.01)"]
    subprocess.run(seen, env=env, check=True, timeout=60)  # it does step
    done = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
