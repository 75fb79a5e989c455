"""Where tests find the native recorder, and a supervisor's end for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lockstep.harness.environment import ATTACH
from lockstep.harness.native.build import build
from lockstep.harness.supervisor.ring_socket import Handover, RingSocket

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent


def library() -> Path:
    """The recorder, built if need be."""
    found = build()
    if found.library is None:
        pytest.skip(f"the native recorder cannot be built here: {found.said}")
    return found.library


def compiled(program: str, folder: Path, *flags: str) -> str:
    """A program of this folder, compiled against the MPI of this environment."""
    compiler = BIN / "mpicc"
    if not compiler.exists() or shutil.which("cc") is None:
        pytest.skip("there is no compiler of MPI programs")
    target = folder / Path(program).stem
    words = [str(compiler), "-g", *flags, "-o", str(target), str(HERE / "programs" / program), "-lpthread"]
    subprocess.run(words, check=True, timeout=100)
    return str(target)


def marked(program: str, mark: str) -> int:
    """The line of a program of this folder with this mark."""
    lines = (HERE / "programs" / program).read_text().splitlines()
    return next(number for number, text in enumerate(lines, 1) if f"/* {mark} */" in text)


def recorded(words: list[str], folder: Path, **environ: str) -> tuple[int, list[Handover]]:
    """Run a command whose processes hand over rings; its status, and what came."""
    reception = RingSocket(folder, "rings")
    child = subprocess.Popen(words, env={**os.environ, ATTACH: str(reception.path), **environ})
    found: list[Handover] = []
    try:
        while child.poll() is None:
            found += reception.arrivals()
            time.sleep(0.01)
        found += reception.arrivals()
    finally:
        child.kill()
        child.wait()
        reception.close()
    return child.returncode, found
