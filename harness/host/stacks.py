"""The stacks of a process, from outside: py-spy, which works while the GIL is held and while the process is stopped."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

TIMEOUT_S = 20.0


def py_spy() -> str | None:
    """The py-spy of this environment, else the one on PATH."""
    beside = Path(sys.executable).parent / "py-spy"
    return str(beside) if beside.exists() else shutil.which("py-spy")


def lock_owner(pid: int) -> int | None:
    """The kernel's id of the thread that holds Python's lock; None when none does, or nobody can tell."""
    for line in stacks(pid)[0].splitlines():
        words = line.split()
        if line.startswith("Thread ") and "+gil" in words[2]:
            return int(words[1])
    return None


def stacks(pid: int) -> tuple[str, str]:
    """All Python stacks of `pid` as text, and what went wrong (empty: nothing)."""
    tool = py_spy()
    if tool is None:
        return "", "py-spy is not installed: pip install py-spy"
    try:
        done = subprocess.run(
            [tool, "dump", "--full-filenames", "--pid", str(pid)],
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"py-spy gave no answer within {TIMEOUT_S:.0f} s"
    return done.stdout, "" if done.returncode == 0 else (done.stderr.strip() or f"py-spy ended with {done.returncode}")
