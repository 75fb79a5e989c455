"""The limit of open files: raised where it must be, given back to engines, and a clear error where it cannot be."""

from __future__ import annotations

import subprocess
import sys

from lockstep.harness.environment import OPEN_FILES

PROGRAM = """
import os, resource, sys
from lockstep.harness.launch import open_files
from lockstep.harness.launch.errors import LaunchError
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[3]), int(sys.argv[1])))
try:
    environ = open_files.allow(int(sys.argv[2]))
except LaunchError as error:
    print("error:", error)
    raise SystemExit
print(environ, resource.getrlimit(resource.RLIMIT_NOFILE)[0], open_files.left(int(sys.argv[2])))
open_files.give_back({**os.environ, **environ})
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def run(hard: int, ranks: int, soft: int = 200) -> list[str]:
    """The lines of a process with such limits of files that is to watch so many ranks."""
    words = [sys.executable, "-c", PROGRAM, str(hard), str(ranks), str(soft)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()


def test_the_soft_limit_is_raised_and_given_back() -> None:
    """A head of 300 ranks has more files than the soft limit allows; what it starts has the user's limit again."""
    raised, after = run(4000, 300)
    assert OPEN_FILES in raised
    assert after == "200"


def test_nothing_is_raised_where_there_is_room() -> None:
    """Two ranks need no more than there is, with what strangers may take before they are sent away."""
    unraised, after = run(400, 2, 400)
    assert unraised.startswith("{} 400 ")
    assert after == "400"


def test_room_for_a_flood_is_taken_where_there_is_some() -> None:
    """The hard limit bounds it, and one that has no more than the ranks need is no error."""
    for hard, wanted in ((1000, 1000), (19_000, 19_000)):
        raised, after = run(hard, 2)
        assert int(raised.split()[-2]) >= wanted
        assert after == "200"


def test_a_hard_limit_that_is_too_low_is_an_error() -> None:
    """It says how many files are needed, how many are allowed, and what to do."""
    (line,) = run(500, 1000)
    assert line.startswith("error: 1000 ranks need ")
    assert "hard limit is 500" in line
    assert "ulimit -Hn" in line
