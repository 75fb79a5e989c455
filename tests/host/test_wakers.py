"""What may send a signal to a process that sleeps: its open files and what it has asked the kernel for."""

from __future__ import annotations

import ctypes
import fcntl
import os
from pathlib import Path

import pytest

from lockstep.harness.host.wakers import wakers


def test_a_folder_that_is_open(tmp_path: Path) -> None:
    """Of its changes a signal may tell (F_NOTIFY), and nobody sees whether one does."""
    before = wakers(os.getpid(), tells_handlers=True)
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        told = set(wakers(os.getpid(), tells_handlers=True)) - set(before)
    finally:
        os.close(fd)
    assert [text for text in told if "a folder changes" in text]


def test_a_lease(tmp_path: Path) -> None:
    """Who has one on a file is sent a signal when somebody opens that."""
    with (tmp_path / "file").open("w") as file:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        told = wakers(os.getpid(), tells_handlers=True)
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    assert [text for text in told if "a lease" in text]


def test_a_queue_of_messages() -> None:
    """A message may come with a signal; a file that was unlinked is none."""
    name = f"/lockstep-{os.getpid()}".encode()
    rt = ctypes.CDLL(None, use_errno=True)
    if not hasattr(rt, "mq_open"):
        pytest.skip("there are no queues of messages here")
    queue = rt.mq_open(name, os.O_CREAT | os.O_RDWR, 0o600, None)
    if queue < 0:
        pytest.skip(f"there are no queues of messages here: {os.strerror(ctypes.get_errno())}")
    rt.mq_unlink(name)
    try:
        told = wakers(os.getpid(), tells_handlers=True)
    finally:
        os.close(queue)
    assert [text for text in told if "a queue" in text], told


def test_an_ordinary_file(tmp_path: Path) -> None:
    """It sends nothing, whether it still has a name or not."""
    before = wakers(os.getpid(), tells_handlers=True)
    with (tmp_path / "one").open("w"), (tmp_path / "two").open("w"):
        (tmp_path / "two").unlink()
        assert wakers(os.getpid(), tells_handlers=True) == before
