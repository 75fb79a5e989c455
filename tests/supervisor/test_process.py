"""A process that attached itself, as its supervisor sees it: also one that was gone before it was looked at."""

from __future__ import annotations

import platform
import re
import socket
import subprocess
import sys
from typing import Any

import pytest

from lockstep.harness.host.proc import Stat
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


PARENT = """
import subprocess, sys
words = [sys.executable, '-S', '-c', 'import sys; sys.stdin.read(); sys.exit(3)']
child = subprocess.Popen(words, stdin=subprocess.PIPE)
print(child.pid, flush=True)
sys.stdin.readline()
child.stdin.close()
sys.stdin.readline()
print(child.wait(), flush=True)
"""
KERNEL = tuple(map(int, re.findall(r"\d+", platform.release())[:2]))


@pytest.mark.skipif(KERNEL < (6, 15), reason="Linux tells it since 6.15")
def test_one_whose_parent_asks_between_two_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """How it ended is known, although it was there at the first look and is gone at the second."""
    argv = [sys.executable, "-S", "-c", PARENT]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        one, line = attached(pid)
        look = Stat.of
        said: list[str] = []

        def asked_meanwhile(number: int) -> Any:
            if parent.stdin is not None and parent.stdout is not None:
                parent.stdin.write("\n")
                said.append(parent.stdout.readline())
            return look(number)

        with line:
            parent.stdin.write("\n")
            while not one.gone():
                pass
            monkeypatch.setattr(Stat, "of", asked_meanwhile)
            assert one.exit_code() == 3
            assert said == ["3\n"]
            one.close()
