"""By its threads' names NCCL is seen to hear of ends between hosts, and not within one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.host.nccl_threads import hears_of_ends
from tests.attach.stand_in import built

PROGRAM = """
import ctypes, os, sys
kept = ctypes.create_string_buffer(sys.argv[2].encode())
ctypes.CDLL(sys.argv[1]).start_proxy(kept)
print(len(os.listdir("/proc/self/task")), flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("library", "name", "hears"),
    [
        ("libnccl.so.2", "NCCL Progress 0", True),
        ("libnccl.so.2", "NCCL Service 0", False),
        ("libnccl.so.2", "theirs", True),  # it names none of its threads, or has none yet
        ("libtheirs.so.2", "theirs", False),
    ],
)
def test_who_hears(tmp_path: Path, library: str, name: str, hears: bool) -> None:
    """A process with such a thread and library (a stand-in: the real one needs a GPU)."""
    target = built("proxy.c", tmp_path / library)
    words = [sys.executable, "-c", PROGRAM, str(target), name]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"2"
        tasks = Path(f"/proc/{process.pid}/task")
        while not any((one / "comm").read_text().strip() == name for one in tasks.iterdir()):
            os.sched_yield()  # it is on its way
        assert hears_of_ends(process.pid) is hears
        process.kill()


def test_of_a_process_that_is_gone_nothing_is_sure() -> None:
    """It may have heard."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait(60)
    assert hears_of_ends(process.pid)
