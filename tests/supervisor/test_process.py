"""A process that attached itself, as its supervisor sees it: also one that was gone before it was looked at."""

from __future__ import annotations

import socket
import subprocess
import sys

from lockstep.harness.supervisor.process import Attached
from lockstep.harness.supervisor.ring_socket import Handover
from lockstep.harness.trace.ring import Ring


def attached(pid: int) -> tuple[Attached, socket.socket]:
    """A process with this id, and its end of the line."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return Attached(0, Handover(pid, Ring(-1, 0), ours, {"argv": ["program"]}), frozenset()), theirs


def test_a_process_that_was_gone_at_once() -> None:
    """It has ended, nobody knows how, and that costs its supervisor nothing: its parent has asked already."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    one, line = attached(process.pid)
    with line:
        assert one.gone()
        assert one.exit_code() is None
        one.close()


def test_a_child_of_the_supervisor() -> None:
    """How it ended is known."""
    process = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read(); sys.exit(3)"], stdin=subprocess.PIPE)
    one, line = attached(process.pid)
    with line:
        assert not one.gone()
        assert process.stdin is not None
        process.stdin.close()
        while not one.gone():
            pass
        assert one.exit_code() == 3
        one.close()
    process.returncode = 3  # who it belongs to has heard of its end here
