"""docs/bisect.md is true: its commands run as they stand there, and its numbers are those of the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.bisect.statistics.search import CERTAIN, FLAKY, MISS, Options
from lockstep.harness.bisect.worktrees import KEPT
from lockstep.harness.rates import launches_to_see
from tests.bisect.toy import CLEAN, SHORT, linear
from tests.bisect.wheels import index

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "bisect.md").read_text()
BODIES = (SHORT, CLEAN, CLEAN, SHORT)
# Rank 1 meets its peer in another operation: what a mismatch is.
TRAIN = """import os, torch, torch.distributed as dist
from mpi4py import MPI
rank = MPI.COMM_WORLD.rank
dist.init_process_group("gloo", rank=rank, world_size=2)
dist.barrier() if rank and {apart} else dist.all_reduce(torch.ones(2))
dist.destroy_process_group()
"""
# A stand-in for the page's package, since tests have no network: it does what that one did where the page uses it.
LOCKS = """import threading
held = {{}}
class FileLock:
    def __init__(self, path):
        self.path = str(path)
    def __enter__(self):
        if {raises} and self.path in held:
            raise RuntimeError("this thread holds the lock")
        held.setdefault(self.path, threading.Lock()).acquire()
    def __exit__(self, *error):
        held.pop(self.path).release()
"""


def block(mark: str) -> str:
    """A marked block of the page."""
    (found,) = re.findall(rf"<!-- {re.escape(mark)} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def blocks(*, new: bool) -> list[str]:
    """The page's commands; the new ones are of programs and releases."""
    found = [text for kind, text in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE) if not kind]
    return [text for text in found if new == ("program.yaml" in text or "--versions" in text)]


def run(commands: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """As they stand there, in a folder that has what they name; exit code 0."""
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", **more}
    done = subprocess.run(
        ["sh", "-e", "-c", commands], cwd=folder, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, f"{commands}: {done.stderr}"
    return done


@pytest.mark.timeout(400)
def test_commands(tmp_path: Path) -> None:
    """Every block of commands runs with exit code 0 in a folder with an engine's repository and a scenario."""
    toy = linear(tmp_path / "engine", 3, lambda number: BODIES[number])
    toy.git("tag", "v0.9", toy.commits[0])
    toy.git("tag", "v1.0", toy.commits[1])
    (tmp_path / "capture-hang.yaml").write_text((ROOT / "tests" / "bisect" / "two_ranks.yaml").read_text())
    assert len(blocks(new=False)) == 5
    for commands in blocks(new=False):
        done = run(commands, tmp_path)
        if "--find" in commands:
            assert f"{toy.commits[1][:12]} Commit 1 is the first fixed commit" in done.stderr
        elif "bisect run" in commands:
            assert f"{toy.commits[3]} is the first bad commit" in done.stdout
        else:
            assert f"{toy.commits[3][:12]} Commit 3 is the first bad commit" in done.stderr, commands


@pytest.mark.timeout(400)
def test_a_program_that_ends_in_a_mismatch(tmp_path: Path) -> None:
    """The page's program is judged some seconds after its ranks stand in different operations, and not when the time is up;
    the commit is printed as git prints it."""
    toy = linear(
        tmp_path / "engine", 2, lambda number: CLEAN, extra=lambda number: {"train.py": TRAIN.format(apart=number == 2)}
    )
    toy.git("tag", "v1.0", toy.commits[0])
    (tmp_path / "program.yaml").write_text(block("program.yaml"))
    done = run(blocks(new=True)[0], tmp_path)
    assert "hang (mismatch, proved)" in done.stderr
    for line in ("Author: toy <toy@example.org>", "Date:   Thu Jan 1 00:00:00 2026 +0000", "    Commit 2", " train.py"):
        assert f"\n  {line}" in done.stderr, done.stderr
    assert f"git -C {tmp_path}/engine show {toy.commits[2]}" in done.stderr


@pytest.mark.timeout(400)
def test_the_release_of_a_package(tmp_path: Path) -> None:
    """The page's releases, from an index that is made here: a hang that a release ends is found, with what differs."""
    for name in ("relock.py", "relock.yaml"):
        (tmp_path / name).write_text(block(name))
    locks = {version: LOCKS.format(raises=version >= "3.24.0") for version in ("3.20.0", "3.23.0", "3.24.0", "3.25.0")}
    links = index(tmp_path / "wheels", "filelock", locks).split()[-1]
    cache = str(tmp_path / "cache")
    done = run(blocks(new=True)[1], tmp_path, PIP_NO_INDEX="1", PIP_FIND_LINKS=links, XDG_CACHE_HOME=cache)
    assert "3.24.0 is the first fixed release" in done.stderr
    assert "    filelock 3.23.0 -> 3.24.0" in done.stderr


def test_numbers() -> None:
    """Probabilities and counts on the page are those of the code."""
    assert f"probability {CERTAIN.certain} ({FLAKY.certain} with" in PAGE
    assert f"`--confidence` ({Options().confidence})" in PAGE
    assert launches_to_see(0.3, MISS) == 9
    assert KEPT == 8


def test_options_are_on_the_page() -> None:
    """Every option of the command that is not of every command is named."""
    options = re.findall(r'"(--[a-z]+)"', (ROOT / "harness" / "commands" / "bisect_options.py").read_text())
    assert len(options) > 10
    assert {name for name in options if name not in PAGE} <= {"--device", "--launcher", "--set"}
