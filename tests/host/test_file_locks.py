"""Who could let go of a lock of a file that a process waits for."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lockstep.harness.host.holders import holders
from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.thread_waits import CALLS, End, ThreadWait, thread_waits

WAITS = "import fcntl, sys; fcntl.{}(open(sys.argv[1], 'a'), fcntl.LOCK_EX)"

pytestmark = pytest.mark.skipif(not CALLS, reason="system calls of this machine are not known")


@contextmanager
def waiting(call: str, path: Path) -> Iterator[ThreadWait]:
    """The main thread of a process that waits for a lock."""
    child = subprocess.Popen([sys.executable, "-S", "-c", WAITS.format(call), str(path)])
    try:
        assert wait_until(lambda: any(one.ends for one in thread_waits(child.pid) if one.call in ("flock", "fcntl")), 30)
        (wait,) = thread_waits(child.pid)
        yield wait
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("call", ["flock", "lockf"])
def test_who_holds_a_lock(call: str, tmp_path: Path) -> None:
    """The process that took it; of flock also those that were forked since, of lockf not."""
    path = tmp_path / "lock"
    with path.open("w") as file:
        getattr(fcntl, call)(file, fcntl.LOCK_EX)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.read(reading, 1)
            os._exit(0)
        try:
            with waiting(call, path) as wait:
                assert wait.sleeps
                assert [end.kind for end in wait.ends] == ["file lock"]
                assert holders(wait.ends)[wait.ends[0]] == frozenset([os.getpid(), *([pid] if call == "flock" else [])])
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            os.close(reading)
            os.close(writing)


def test_a_lock_that_nobody_is_seen_to_hold() -> None:
    """Whoever holds it is not seen."""
    end = End("file lock", "FLOCK ADVISORY WRITE 1 00:00:1 0 EOF")
    assert holders([end]) == {end: None}
