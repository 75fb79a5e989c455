"""The stacks of a process, from outside: py-spy, which works while the GIL is held and while the process is stopped."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from lockstep.harness.attach import natives

TIMEOUT_S = 20.0
NO_TOOL = "py-spy is not installed: pip install py-spy"


def py_spy() -> str | None:
    """The py-spy of this environment, else the one on PATH."""
    beside = Path(sys.executable).parent / "py-spy"
    return str(beside) if beside.exists() else shutil.which("py-spy")


IN_A_CALL = "/harness/attach/recorded.py:"  # the frame of an operation that is written down
ANSWERS = "/harness/attach/recording.py:"  # a frame of the thread that answers the supervisor


def lock_owner(pid: int) -> int | None:
    """The kernel's id of the thread that holds Python's lock, where no other could do anything once it lets go of it.

    It, and all the others but the one that answers us, must be in the library below a recorded call, and in no Python code
    that the library has called. None where that is not so, nobody holds the lock, or nobody can tell.
    """
    owner, threads = None, _threads(stacks(pid)[0])
    for ident, (state, frames) in threads.items():
        if any(ANSWERS in frame for frame in frames):
            continue
        if not frames or IN_A_CALL not in frames[0]:
            return None
        owner = ident if "+gil" in state else owner
    return None if owner is None or natives.doubts_about(pid, set(threads)) else owner


def _threads(text: str) -> dict[int, tuple[str, list[str]]]:
    """The threads of a dump: state and frames, the innermost first."""
    found: dict[int, tuple[str, list[str]]] = {}
    frames: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if line.startswith("Thread ") and len(words) > 2 and words[1].isdigit():
            frames = []
            found[int(words[1])] = (words[2], frames)
        elif line.startswith("    "):
            frames.append(line.strip())
    return found


def stacks(pid: int) -> tuple[str, str]:
    """All Python stacks of `pid` as text, and what went wrong (empty: nothing). It is stopped meanwhile."""
    words = command(pid)
    if words is None:
        return "", NO_TOOL
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return "", f"py-spy gave no answer within {TIMEOUT_S:.0f} s"
    return told(done.returncode, done.stdout, done.stderr)


def command(pid: int, gently: bool = False) -> list[str] | None:
    """What prints them; None without py-spy. `gently`: the process is not stopped, so that a stack may be torn."""
    tool = py_spy()
    if tool is None:
        return None
    return [tool, "dump", "--full-filenames", *(["--nonblocking"] if gently else []), "--pid", str(pid)]


def told(code: int, out: str, err: str) -> tuple[str, str]:
    """What it printed, and what went wrong, from its exit status and its output."""
    return out, "" if code == 0 else (err.strip() or f"py-spy ended with {code}")
