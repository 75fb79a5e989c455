"""The limit of open files: raised where it must be, given back to engines, and a clear error where it cannot be."""

from __future__ import annotations

import subprocess
import sys

from lockstep.harness.environment import OPEN_FILES

PROGRAM = """
import os, resource, sys
from lockstep.harness.launch import open_files
from lockstep.harness.launch.errors import LaunchError
resource.setrlimit(resource.RLIMIT_NOFILE, (200, int(sys.argv[1])))
try:
    environ = open_files.allow(int(sys.argv[2]))
except LaunchError as error:
    print("error:", error)
    raise SystemExit
print(environ, resource.getrlimit(resource.RLIMIT_NOFILE)[0], open_files.left(int(sys.argv[2])))
open_files.give_back({**os.environ, **environ})
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def run(hard: int, ranks: int) -> list[str]:
    """The lines of a process with a soft limit of 200 files that is to watch so many ranks."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(hard), str(ranks)], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_soft_limit_is_raised_and_given_back() -> None:
    """A head of 300 ranks has more files than the soft limit allows; what it starts has the user's limit again."""
    raised, after = run(4000, 300)
    assert OPEN_FILES in raised
    assert after == "200"


def test_nothing_is_raised_for_few() -> None:
    """Two ranks need no more than there is."""
    unraised, after = run(4000, 2)
    assert unraised.startswith("{} 200 ")
    assert after == "200"


def test_a_hard_limit_that_is_too_low_is_an_error() -> None:
    """It says how many files are needed, how many are allowed, and what to do."""
    (line,) = run(500, 1000)
    assert line.startswith("error: 1000 ranks need ")
    assert "hard limit is 500" in line
    assert "ulimit -Hn" in line
