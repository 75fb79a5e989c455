"""Whoever sleeps may be woken by what is rare, or by somebody outside: none of these is a hang, and one without that is."""

from __future__ import annotations

import contextlib
import os
import pty
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.host.polling import wait_until
from tests.attach.launch import BIN, python

LATE_S = 9.0  # when the knot would have been proved long since
BY_NOBODY = ("never", "full", "mute", "several")
BY_ITSELF = ("alarm", "alarm-in-c", "handed-on", "killer", "interrupter", "headless", "limit", "child")
BY_OTHERS = ("input", "terminal", "fifo", "semaphore", "given")
SUCCESS = {
    False: "lockstep: success: The one rank ended in order.",
    True: "lockstep: success: The command ended in order. No process of it joined a communicator, "
    "so there was nothing to watch.",
}
MESSAGE = bytes(4) + b"\n"  # one without contents, as `multiprocessing` sends it, and the end of a line for the terminal
POST = "import sys; from _multiprocessing import SemLock; SemLock._rebuild(0, 1, 1, sys.argv[1]).release()"


@contextlib.contextmanager
def watched(
    mode: str, folder: Path, alone: bool, name: str = "", stdin: int = subprocess.DEVNULL
) -> Iterator[subprocess.Popen[str]]:
    """The command. What it prints is in a file of the mode's name."""
    argv = [str(BIN / "lockstep"), "watch", "--reports", str(folder / "reports" / mode), "--"]
    with (folder / mode).open("w") as file:
        argv += python("programs/woken_late.py", mode, name, *(["alone"] if alone else []))
        one = subprocess.Popen(argv, stdin=stdin, stdout=file, stderr=file, text=True)
    try:
        yield one
    finally:
        one.terminate()
        one.wait()


def said(folder: Path, modes: tuple[str, ...], line: str) -> dict[str, str]:
    """What those have printed that have not printed this line."""
    texts = {mode: (folder / mode).read_text() for mode in modes}
    return {mode: text for mode, text in texts.items() if line not in text.splitlines()}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("alone", [False, True])
def test_those_that_nobody_can_wake(alone: bool, tmp_path: Path) -> None:
    """The wait of a rank for a process that waits for nobody, or for the rank, is proved never to end."""
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(watched(mode, tmp_path, alone)) for mode in BY_NOBODY]
        codes = [one.wait(200) for one in running]
    texts = {mode: (tmp_path / mode).read_text() for mode in BY_NOBODY}
    assert {mode: text for mode, text in texts.items() if "hang (deadlock, proved)" not in text} == {}
    assert codes == [1] * len(codes)


@pytest.mark.timeout(240)
def test_who_may_have_an_alarm(tmp_path: Path) -> None:
    """A process in which no recorder tells of alarms may end by one, so that the wait for its end proves nothing."""
    with watched("unrecorded", tmp_path, True) as one:
        code = one.wait(200)
    text = (tmp_path / "unrecorded").read_text()
    assert ("hang (deadlock, not proved)" in text, code) == (True, 1), text
    told = (tmp_path / "reports").rglob("verdict.json")
    assert any("a process in which there is no recorder may have an alarm" in file.read_text() for file in told)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("alone", [False, True])
def test_what_wakes_them_from_inside(alone: bool, tmp_path: Path) -> None:
    """Timers, limits, signals, a process that is half ended: nothing of it is a hang."""
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(watched(mode, tmp_path, alone)) for mode in BY_ITSELF]
        codes = [one.wait(200) for one in running]
    assert said(tmp_path, BY_ITSELF, SUCCESS[alone]) == {}
    assert codes == [0] * len(codes)


@pytest.mark.timeout(240)
@pytest.mark.parametrize("alone", [False, True])
def test_what_wakes_them_from_outside(alone: bool, tmp_path: Path) -> None:
    """Somebody who types, or who has a name or a descriptor: nothing of it is a hang."""
    read, write = os.pipe()
    master, slave = pty.openpty()
    names = {
        "fifo": str(tmp_path / "f"),
        "semaphore": f"/lockstep-late-{os.getpid()}",
        "given": str(tmp_path / "s"),
        "terminal": os.ttyname(slave),
    }
    os.mkfifo(names["fifo"])
    with contextlib.ExitStack() as stack, socket.socket(socket.AF_UNIX) as server:
        server.bind(names["given"])
        server.listen()
        running = [
            stack.enter_context(
                watched(mode, tmp_path, alone, names.get(mode, ""), read if mode == "input" else subprocess.DEVNULL)
            )
            for mode in BY_OTHERS
        ]
        stack.callback(Path(f"/dev/shm/sem.{names['semaphore'][1:]}").unlink, missing_ok=True)
        os.close(read)
        if wait_until(lambda: not said(tmp_path, BY_OTHERS, "up 1"), 100.0):
            time.sleep(LATE_S)
            wake(names, write, master, server)
            for one in running:
                one.wait(100)
    for fd in (write, master, slave):
        os.close(fd)
    assert said(tmp_path, BY_OTHERS, SUCCESS[alone]) == {}


def wake(names: dict[str, str], write: int, master: int, server: socket.socket) -> None:
    """Do what each of them waits for."""
    os.write(write, MESSAGE)
    os.write(master, MESSAGE)
    with Path(names["fifo"]).open("wb") as fifo:
        fifo.write(MESSAGE)
    subprocess.run([sys.executable, "-c", POST, names["semaphore"]], check=True)
    with server.accept()[0] as line:
        for fd in socket.recv_fds(line, 1, 1)[1]:
            os.write(fd, MESSAGE)
            os.close(fd)
