"""Threads of a GPU's driver call nobody, unless the process has given it something of Python's to call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.attach import gpu_driver
from tests.attach.launch import HERE
from tests.attach.stand_in import built


def doubts(tmp_path: Path, library: str, what: str) -> str:
    """Of a process that has loaded such a driver (a stand-in: the real one needs a GPU)."""
    target = built("driver.c", tmp_path / library)
    words = [sys.executable, str(HERE / "programs" / "driver.py"), str(target), what]
    return subprocess.run(words, check=True, timeout=60, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize(
    ("library", "what", "doubt"),
    [
        ("libcuda.so.1", "nothing", ""),
        ("libcuda.so.1", "callback", "may call into Python"),
        ("libcuda.so.1", "watched callback frozen", "may call into Python"),
        ("libcuda.so.1", "watched frozen", ""),
        ("libcuda.so.1", "frozen", "may call into Python"),
        ("libcuda.so.1", "package", "(cuda-EvtHandlr: libcuda.so.1) may call into Python"),
        ("libcuda.so.1", "worker callback", "(pt_gloo_runloop: libcuda.so.1) may call into Python"),
        ("libtheirs.so.1", "nothing", "may call into Python"),
    ],
)
def test_a_thread_of_the_driver(tmp_path: Path, library: str, what: str, doubt: str) -> None:
    """An old address of Python's on its stack says nothing; a callback, or a package that gives it some, says all. What a
    program has frozen cannot be looked at: it is before, where somebody watches. A name that threads
    inherit from who starts them says nothing."""
    told = doubts(tmp_path, library, what)
    assert doubt in told if doubt else not told


def test_of_another_process_nothing_is_known() -> None:
    """Nobody can see from outside whether it has given its driver a function to call."""
    assert gpu_driver.calls_python(os.getppid())
