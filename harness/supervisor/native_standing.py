"""Whether a process without Python stands still, looked at from outside: by the native recorder's tables, and by /proc."""

from __future__ import annotations

from pathlib import Path

from lockstep.harness.attach import natives
from lockstep.harness.host.proc import listed
from lockstep.harness.host.thread_waits import is_kept
from lockstep.harness.trace.ring import Ring
from lockstep.harness.trace.tables import threads_inside

# Signals that tell of the thread's own mistake only, and those that the C library keeps to itself.
HARMLESS = frozenset({4, 5, 6, 7, 8, 11, 13, 31, 32, 33})


def standing(ring: Ring, pid: int) -> tuple[int, tuple[str, ...]]:
    """The number of its last event, and each thread, in a sentence, that may still do something by itself."""
    before, number = ring.written()
    inside = threads_inside(ring.memory)
    others = [*natives.doubts_about(pid, inside, mpi_is_seen=True), *_handlers(ring, pid)]
    others += _kept(pid)
    after, _ = ring.written()
    if before % 2 or before != after:
        others.append("its events go on")
    return number, tuple(others)


def _kept(pid: int) -> list[str]:
    try:
        kept = any(is_kept(task) for task in listed(Path(f"/proc/{pid}/task")))
    except OSError as error:
        return [f"whether its threads may run cannot be seen ({error.strerror})"]
    return ["a thread of it is stopped, or frozen: what it waits for may have come"] if kept else []


def _handlers(ring: Ring, pid: int) -> list[str]:
    """The signals that the program handles: a handler runs in a thread that waits, and may do anything."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError as error:
        return [f"its signals cannot be seen ({error.strerror})"]
    caught = int(text.partition("SigCgt:")[2].split(None, 1)[0], 16) & ~ring.known_handlers()
    numbers = [number for number in range(1, 65) if caught >> (number - 1) & 1 and number not in HARMLESS]
    return [f"a handler of signal {number} may still communicate" for number in numbers]
