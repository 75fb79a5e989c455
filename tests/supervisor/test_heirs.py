"""Who has the connections of a process that has ended: real processes and sockets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from lockstep.harness.supervisor.heirs import EACH_S, Heirs

# It connects, and another one that it has started keeps that: below a process that adopts (PR_SET_CHILD_SUBREAPER).
CODE = """
import ctypes, os, socket, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
read, write = os.pipe()
if os.fork() == 0:
    line = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    child = os.fork() if sys.argv[2] == "kept" else 0
    if sys.argv[2] == "kept" and child == 0:
        time.sleep(600)
    print(os.getpid(), child, flush=True)
    os.read(read, 1)
    os._exit(0)
sys.stdin.read(1)
os.write(write, b"x")
os.wait()
print("ended", flush=True)
time.sleep(600)
"""


def heirs(kept: str) -> tuple[tuple[int, ...], int]:
    """Those that are found once it has ended, and the one that has its connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        words = [sys.executable, "-S", "-c", CODE, str(server.getsockname()[1]), kept]
        with subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as one:
            assert one.stdin is not None
            assert one.stdout is not None
            try:
                ended, child = map(int, one.stdout.readline().split())
                line, _ = server.accept()
                found = Heirs()
                found.look([ended], EACH_S)
                assert found.found([], [], [ended], 0) == ()
                one.stdin.write("x")
                one.stdin.flush()
                assert one.stdout.readline() == "ended\n"
                assert not Path(f"/proc/{ended}").exists()
                line.close()
                return found.found([ended], [one.pid], [], one.pid), child
            finally:
                os.killpg(one.pid, signal.SIGKILL)


def test_an_heir_that_somebody_else_has_adopted() -> None:
    """It is found by the connection, wherever it stands."""
    found, child = heirs("kept")
    assert found == (child,)


def test_a_connection_that_has_closed_with_its_process() -> None:
    """Nobody has it then."""
    found, _ = heirs("closed")
    assert found == ()
