"""Threads that want Python's lock, and whether the call in which its owner keeps it ends without other ranks. From outside.

All that want it sleep at one place of the process's memory. That of our own thread is known: it has read a question, and
cannot answer it. An interpreter with a lock of its own has another place, and a Python without a lock has none.
"""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Collection, Mapping

from lockstep.harness.attach import natives

Threads = Mapping[int, tuple[str, str, list[str]]]  # by the kernel's id: name, state, frames, the innermost first
# mpi4py calls it in the first operation on objects, with the lock in its hands, and MPI ends it when all members have come
# to theirs. Whatever else it does with the lock is over at once, or may be.
KEEPS = ("MPI_Comm_dup", "PMPI_Comm_dup")
LOOKS, LOOK_S = 20, 0.002
PLACE = 8  # bytes: glibc's condition has two words for those who sleep at it, side by side


def wanting(pid: int, reader: int, among: Collection[int]) -> tuple[int, ...]:
    """The threads that sleep where `reader` does, which wants Python's lock; none if it may sleep for something else."""
    place = _place(pid, reader)
    return tuple(ident for ident in sorted(among) if place and _place(pid, ident) == place)


def keeper(threads: Threads, in_call: str, in_mpi: Collection[int]) -> int | None:
    """Who holds the lock inside of such a call, by a dump with native frames.

    `in_call`: in the frame of a recorded one; `in_mpi`: the threads that are in a wait which is recorded in C.
    """
    owners = [ident for ident, (_, state, _) in threads.items() if "+gil" in state]
    if len(owners) != 1:
        return None
    frames = threads[owners[0]][2]
    native = list(itertools.takewhile(lambda frame: not re.search(r":\d+\)", frame), frames))
    called = frames[len(native) :][:1]
    at = next((at for at, frame in enumerate(native) if frame.partition(" ")[0] in KEEPS), None)
    recorded = owners[0] in in_mpi or any(in_call in frame for frame in called)
    return owners[0] if at is not None and recorded and all(map(_calls_nobody, native[:at])) else None


def _calls_nobody(frame: str) -> bool:
    """Whether a frame below it is of MPI itself or what that is made of: no function of the program that MPI calls back."""
    return frame.rpartition(" (")[2].rpartition("/")[2].startswith(natives.KNOWN)


def _place(pid: int, thread: int) -> int:
    """Where a thread sleeps, with a limit of time, for another of its process to wake it; 0: it does not.

    Who wants Python's lock looks for a moment, every few milliseconds, whether it is still held.
    """
    for _ in range(LOOKS):
        words = natives.futex(pid, thread)
        if len(words) > 4 and int(words[4], 16):
            return int(words[1], 16) // PLACE
        time.sleep(LOOK_S)
    return 0
