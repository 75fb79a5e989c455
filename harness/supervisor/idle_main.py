"""Whether a process's main thread waits for a lock of its own, or in a loop: Ctrl-C raises an error there, and may end that.

A program that serves until somebody presses Ctrl-C stands so for as long as it likes. What it is in is read from its stack,
which stops nothing, and only once for each state of it.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from lockstep.harness.host.stacks import glance
from lockstep.harness.host.thread_waits import INTERRUPTIBLE, OWN, PARKED, End, ThreadWait
from lockstep.harness.host.wakers import catches
from lockstep.harness.judge.stack_text import Frame, named_frames, program_at

MAIN = "MainThread"
MOST_S = 2.0  # for the stacks of one look
# In what a program stands that serves until it is interrupted. A loop without a frame of its own is one of a library.
SERVES = ("Event.wait", "Condition.wait", "wait")
LOOPS_IN = ("epoll_wait", "poll", "ppoll", "select")  # system calls; processes that were forked hold a loop's own socket too
LOOPS = ("/asyncio/", "/selectors.py", "/socketserver.py", "/trio/", "/uvloop/")


@dataclass(slots=True)
class IdleMain:
    """Remembers what it has read of each process, by where its threads stood then."""

    _read: dict[int, tuple[object, bool]] = field(default_factory=dict)
    _until_s: float = 0.0

    def begin(self) -> None:
        """One look at all processes begins. It takes a bounded time, since nothing else is done meanwhile."""
        self._until_s = time.monotonic() + MOST_S

    def end(self, pid: int, waits: Sequence[ThreadWait]) -> End | None:
        """What else may end the wait of a process's main thread, all of whose threads sleep; None: nothing else."""
        main = next((one for one in waits if one.thread == pid), None)
        locked = main is not None and OWN in main.ends
        if main is None or not (locked or main.call in LOOPS_IN) or not catches(pid, signal.SIGINT):
            return None
        stood = tuple((one.thread, one.steps) for one in waits)
        known = self._read.get(pid)
        if known is None or known[0] != stood:
            if time.monotonic() > self._until_s:
                return PARKED  # as far as is known yet; the next look goes on from here
            known = self._read[pid] = (stood, _serves(glance(pid)[0]))
        return PARKED if known[1] else INTERRUPTIBLE if locked else None


def _serves(text: str) -> bool:
    """By the function that the program's innermost line has called; where that cannot be seen it may."""
    stack = named_frames(text).get(MAIN, [])
    at = program_at(stack)
    if at is None:
        return True
    return at > 0 and _is_service(stack[at - 1])


def _is_service(frame: Frame) -> bool:
    if any(part in frame.file for part in LOOPS):
        return True
    return frame.file.endswith("/threading.py") and frame.function in SERVES
