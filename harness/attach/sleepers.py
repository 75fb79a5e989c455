"""What a Python thread outside of the recorded operations seems to be in: the line of the program, and what it calls there.

Whether it sleeps in it, the kernel is asked from outside. A lock is known here: its owner is a thread of this process.
"""

from __future__ import annotations

import dis
import linecache
import os
import queue
import signal
from types import CodeType, FrameType
from typing import Any

from lockstep.harness.attach import c_calls
from lockstep.harness.attach.loads import SKIPPED, loaded
from lockstep.harness.attach.sites import site_text
from lockstep.harness.trace.wait import TARGET

LIBRARIES = ("/site-packages/", "/dist-packages/", "/lib/python3", "/harness/attach/", "/harness/trace/", "<")
STANDARD = os.path.dirname(os.__file__) + os.sep  # noqa: PTH120
TAKES = ("acquire", "__enter__", "get")  # of a lock, or of a queue
CODE_CHARACTERS = 80  # of a line that is told


def entry(native: int, frame: FrameType, doubt: str, sure: bool) -> dict[str, object]:
    """What is told of a thread. `sure`: Python itself knows that it waits for a lock; `doubt`: what it is else."""
    own, inner = _own(frame)
    site = site_text(own.f_code, own.f_lineno) if own is not None else ""
    lock = sure or at_a_lock(frame)
    op = _called(own, inner) if own is not None else _target(frame)
    of_library = _is_standard(frame.f_code.co_filename) and not c_calls.passes_on(frame)
    told: dict[str, object] = {"thread": native, "lock": lock, "sure": sure, "text": doubt}
    return told | {"standard": of_library or c_calls.is_standard(frame), "op": op, "site": site}


def asking(native: int, port: int) -> dict[str, object]:
    """What is told of a thread in a recorded wait for a store's key: whether its answer has come, only the kernel knows.

    `port`: of the store's server, wherever that is.
    """
    doubt = "a thread that waits for a TCPStore's key may have its answer"
    return {
        "thread": native,
        "lock": False,
        "sure": False,
        "asks": True,
        "port": port,
        "text": doubt,
        "standard": True,
        "op": "",
        "site": "",
    }


def alarm() -> list[str]:
    """Whether the kernel will send this process a signal at some time, which may end it, or run a handler."""
    return ["it has an alarm under way (signal.alarm or setitimer)"] if any(signal.getitimer(signal.ITIMER_REAL)) else []


def _is_standard(file: str) -> bool:
    """Whether a file is of Python's standard library, which waits for what Python code brings and for nothing else."""
    return file.startswith(STANDARD) and not any(part in file for part in ("/site-packages/", "/dist-packages/"))


def _own(frame: FrameType) -> tuple[FrameType | None, FrameType | None]:
    """The innermost frame that is no library's, and the one that it has called."""
    inner: FrameType | None = None
    at: FrameType | None = frame
    while at is not None and any(part in at.f_code.co_filename for part in LIBRARIES):
        inner, at = at, at.f_back
    return at, inner


def _target(frame: FrameType) -> str:
    """What a thread calls of which all frames are of libraries: what it was given to do, where that is written in C."""
    found: Any = c_calls.called(frame) if c_calls.passes_on(frame) else None
    if type(found) not in c_calls.FUNCTIONS:
        return _qualified(frame)
    of = "os" if found.__module__ == "posix" else found.__module__ or type(found.__self__).__name__
    return f"{of}.{found.__name__}{TARGET}"


def _called(own: FrameType, inner: FrameType | None) -> str:
    if inner is not None:
        return _qualified(inner)
    code = linecache.getline(own.f_code.co_filename, own.f_lineno).partition("  #")[0].strip()[:CODE_CHARACTERS]
    return f"`{code}`" if code else "a call"


def _qualified(frame: FrameType) -> str:
    code: CodeType = frame.f_code
    name = getattr(code, "co_qualname", None)
    if isinstance(name, str):
        return name.replace(".<locals>", "")
    this = frame.f_locals.get("self")
    return code.co_name if this is None else f"{type(this).__name__}.{code.co_name}"


def at_a_lock(frame: FrameType) -> bool:
    """Whether the instruction that a thread is at takes a held lock of Python, or from an empty queue that is one in C.

    Whether there is a limit the kernel tells.
    """
    steps = [step for step in dis.get_instructions(frame.f_code) if step.opname not in SKIPPED]
    at = next((place for place, step in enumerate(steps) if step.offset == frame.f_lasti), None)
    if not at:
        return False
    if steps[at].opname in ("BEFORE_WITH", "SETUP_WITH"):
        return _is_held(loaded(frame, steps[:at]))
    found = c_calls.called(frame)
    takes = type(found) in c_calls.FUNCTIONS and found.__name__ in TAKES
    return takes and _is_held(found.__self__)


def _is_held(lock: Any) -> bool:
    if type(lock) is queue.SimpleQueue:
        return lock.empty()
    return type(lock) is c_calls.RE_ENTRANT or (type(lock) is c_calls.LOCK and lock.locked())
