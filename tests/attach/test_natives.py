"""Threads with a name of torch's workers: those that sleep, and those that want Python's lock."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lockstep.harness.attach.natives import KNOWN, _is_known, doubts_about

MAY_ACT = ("a Python thread is about to begin or to end", "a thread that Python did not start is at work")


def seen(target: Callable[[], object]) -> set[str]:
    """Which doubts there are while a thread of torch's name, which Python is not told of, does this."""
    others = {int(task.name) for task in Path("/proc/self/task").iterdir()}  # of whoever runs the tests
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    time.sleep(0.1)
    (Path("/proc/self/task") / str(thread.native_id) / "comm").write_text("pt_worker")
    return {doubt for doubt in doubts_about(os.getpid(), others) if doubt.startswith(MAY_ACT)}


@pytest.mark.parametrize("limit_s", [None, 600.0], ids=["without-limit", "with-a-limit"])
def test_a_worker_that_sleeps_does_nothing(limit_s: float | None) -> None:
    """gloo's workers wait within their operation with a limit of minutes, and between two of them without one."""
    event = threading.Event()
    try:
        assert not seen(lambda: event.wait(limit_s))
    finally:
        event.set()


def test_a_worker_that_wants_the_lock_is_about_to_act() -> None:
    """It waits for Python's lock while this thread looks, and with a limit too: it gets it in between, and waits again."""
    stopped = False

    def computes() -> None:
        while not stopped:
            pass

    try:
        assert seen(computes)
    finally:
        stopped = True


def test_a_worker_that_wakes_by_itself_is_about_to_act() -> None:
    """One that sleeps for a little while again and again could act at any time."""
    event = threading.Event()

    def polls() -> None:
        while not event.wait(0.01):
            pass

    try:
        assert seen(polls)
    finally:
        event.set()


def test_numpys_own_libraries_call_nobody() -> None:
    """Addresses of Fortran's runtime, which numpy brings along, may stand on the stack of a thread of its mathematics."""
    for name in ("libgfortran-040039e1-0352e75f.so.5.0.0", "libquadmath-96973f99.so.0.0.0", "libscipy_openblas64_.so"):
        assert name.startswith(KNOWN)
    assert not "libtheirs.so".startswith(KNOWN)


def test_a_process_that_has_ended_meanwhile_is_in_doubt() -> None:
    """Its memory is gone while its threads are still listed: that is told, and whoever looked goes on."""
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert doubts_about(ended.pid, set()) == ["the process is about to end"]


def test_pythons_own_modules_start_no_threads() -> None:
    """An address of one that is left on a stack says nothing; but through ctypes C calls into Python."""
    folder = "/usr/lib/python3.11/lib-dynload/"
    assert _is_known(f"{folder}_json.cpython-311-x86_64-linux-gnu.so")
    assert not _is_known(f"{folder}_ctypes.cpython-311-x86_64-linux-gnu.so")
