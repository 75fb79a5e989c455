"""Threads that somebody else keeps from running, so that what they wait for may have come."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.thread_waits import CALLS, is_kept, thread_waits

pytestmark = pytest.mark.skipif(not CALLS, reason="the system calls of this machine are not known")


def test_who_is_kept_from_running() -> None:
    """A stopped thread may have got what it waits for; one that sleeps, and one that goes on again, has not."""
    pid = os.fork()
    if pid == 0:
        os.read(os.pipe()[0], 1)
        os._exit(0)
    task = Path(f"/proc/{pid}/task/{pid}")
    try:
        assert wait_until(lambda: [one.call for one in thread_waits(pid)] == ["read"], 20)
        assert not is_kept(task)
        os.kill(pid, signal.SIGSTOP)
        assert wait_until(lambda: is_kept(task), 20)
        assert [one.call for one in thread_waits(pid)] == [""]
        os.kill(pid, signal.SIGCONT)
        assert wait_until(lambda: not is_kept(task), 20)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
