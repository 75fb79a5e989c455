"""Threads of NCCL that poll between hosts call nobody; any other that is at work may."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.attach.launch import HERE
from tests.attach.stand_in import built


@pytest.mark.parametrize(
    ("library", "name", "doubt"),
    [
        ("libnccl.so.2", "NCCL Progress 0", ""),
        ("libnccl.so.2", "NCCL Service 0", ""),
        ("libnccl.so.2", "theirs", "is at work"),
        ("libtheirs.so.2", "NCCL Progress 0", "is at work"),
    ],
)
def test_a_thread_that_polls(tmp_path: Path, library: str, name: str, doubt: str) -> None:
    """It is known by its name where NCCL (a stand-in: the real one needs a GPU) is loaded, and by nothing else."""
    target = built("proxy.c", tmp_path / library)
    words = [sys.executable, str(HERE / "programs" / "proxy.py"), str(target), name]
    told = subprocess.run(words, check=True, timeout=60, capture_output=True, text=True).stdout.strip()
    assert doubt in told if doubt else not told
