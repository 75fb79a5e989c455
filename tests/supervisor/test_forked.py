"""Processes that were forked from one that tells of its handlers: whether those that they have are their own."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lockstep.harness.attach import imports
from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.wakers import catches
from lockstep.harness.supervisor.forked import HANDLER_MARK, quiet_forks

C_HANDLER = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: None)


@contextmanager
def forked(first: Callable[[], object]) -> Iterator[int]:
    """A child that does something first, and then nothing more."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        first()
        os.write(writing, b"x")
        while True:
            signal.pause()
    try:
        os.read(reading, 1)
        yield pid
    finally:
        os.close(reading)
        os.close(writing)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def nothing() -> None:
    """The child is as its parent."""


def set_in_c() -> None:
    """A library sets a handler that the parent does not have."""
    ctypes.CDLL(None).signal(int(signal.SIGUSR2), C_HANDLER)


@pytest.mark.parametrize(("first", "quiet"), [(nothing, True), (set_in_c, False)])
def test_a_child_with_handlers_of_its_parent(first: Callable[[], object], quiet: bool, tmp_path: Path) -> None:
    """It is quiet while it has no others, and its parent is one that tells of them."""
    mark = f"{tmp_path}/socket{HANDLER_MARK}"
    with forked(first) as pid:
        assert quiet_forks([pid], [os.getpid()], mark) == ({pid} if quiet else set())
        assert quiet_forks([pid], [], mark) == set()
        Path(f"{mark}{pid}").touch()
        assert quiet_forks([pid], [os.getpid()], mark) == set()


def test_a_child_that_has_become_another_program(tmp_path: Path) -> None:
    """It has handlers of its own, whatever its parent has."""
    pid = os.fork()
    if pid == 0:
        code = "import signal; signal.signal(signal.SIGUSR1, print); signal.pause()"
        os.execv(sys.executable, [sys.executable, "-S", "-c", code])
    try:
        command = Path(f"/proc/{pid}/cmdline")  # whoever runs this test may have a handler itself, which a fork inherits
        assert wait_until(lambda: b"-S" in command.read_bytes().split(b"\0") and catches(pid, signal.SIGUSR1), 20)
        assert quiet_forks([pid], [os.getpid()], f"{tmp_path}/socket{HANDLER_MARK}") == set()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_python_leaves_a_mark_when_it_sets_a_handler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a function of the program, not of what is the default, and not of Ctrl-C."""
    monkeypatch.setattr(imports, "_address", [f"{tmp_path}/socket"])
    monkeypatch.setattr(signal, "signal", signal.signal)
    for name in imports.ALARMS:
        monkeypatch.setattr(signal, name, getattr(signal, name))
    imports._note_signals(signal)
    mark = Path(f"{tmp_path}/socket{HANDLER_MARK}{os.getpid()}")
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.getsignal(signal.SIGINT))
    assert not mark.exists()
    signal.signal(signalnum=signal.SIGUSR1, handler=lambda number, frame: None)
    signal.signal(signal.SIGUSR1, before)
    assert mark.exists()
