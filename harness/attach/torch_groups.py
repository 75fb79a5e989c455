"""The process groups of this process, and what C++ issues on them by itself, which the group's own count shows."""

from __future__ import annotations

import math
import sys
import weakref
from typing import Any

from lockstep.harness.attach import device_work, recording
from lockstep.harness.attach.calls import Issued
from lockstep.harness.attach.sites import outside, site_text
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.handles import Comm

SHORT_S = 600.0
DATA_PARALLEL = "all_reduce (DistributedDataParallel)"


NCCL = "nccl:"


class Group:
    """A process group of this process: its communicator, and how many operations it had when we last looked."""

    __slots__ = ("coalescing", "comm", "count", "data_parallel", "device", "gpu", "issuing", "limit_s", "pg", "rank", "sure")
    scope = ""  # the world that init_process_group makes, so that ranks of two worlds are not taken for each other

    def __init__(self, pg: Any, comm: Comm, rank: int, limit_s: int = 0) -> None:
        self.pg = weakref.ref(pg)
        self.comm = comm
        self.device: Comm | None = None  # of what runs on a GPU; its own where other operations run elsewhere
        self.gpu = -1  # on which the last of them ran
        self.sure = comm.key.startswith(NCCL)  # all its operations are in one order, which is that of their numbers
        self.coalescing = False  # what is issued now is handed over later, together
        self.rank = rank
        self.limit_s = limit_s  # the program has set a deadline after which its operations end with an error; 0: none
        self.data_parallel = False  # DistributedDataParallel issues all-reduces of this group from C++
        self.issuing = 0  # threads that are issuing an operation: the count moves meanwhile
        self.count = count(pg)


groups: dict[int, Group] = {}


def group_of(pg: Any) -> Group | None:
    """What is known of a process group; None for one that torch.distributed did not make."""
    found = groups.get(id(pg))
    return found if found is not None and found.pg() is pg else None


def count(pg: Any) -> int:
    """How many operations a group has had; 0 of a backend that does not count."""
    try:
        return int(pg._get_sequence_number_for_group())
    except RuntimeError:
        return 0


def look_for_unseen(captured: bool = False) -> None:
    """Whether C++ has issued operations since, on any group: a wait on one may depend on what was posted on another.

    `captured`: into a graph, which hands them over whenever it is replayed.
    """
    for group in list(groups.values()):
        pg = group.pg()
        if pg is None or group.issuing:
            continue
        now = count(pg)
        more, group.count = now - group.count, now
        if more <= 0:
            continue
        if group.data_parallel and not captured:
            recorder = recording.current().recorder
            for _ in range(more):
                seq = recorder.post(group.comm, DATA_PARALLEL)
            if group.sure and group.gpu >= 0 and not group.limit_s:
                issued = Issued(group.comm, seq, recorder.string(DATA_PARALLEL), Need.ALL, gpu=group.gpu)
                device_work.hand_over(group.gpu, issued)
        else:
            recording.opaque(f"operations of {group.comm.key} were issued from C++")


def unseen() -> list[str]:
    """The groups on which C++ has issued operations that are not written down yet."""
    found: list[str] = []
    for group in list(groups.values()):
        pg = group.pg()
        if pg is not None and not group.issuing and count(pg) > group.count:
            found.append(f"operations of {group.comm.key} were issued from C++ meanwhile")
    return found


def issued_in_all() -> int:
    """The operations that Python and C++ have issued on all groups, by PyTorch's own count: whether anything goes on."""
    return sum(count(pg) for group in list(groups.values()) if (pg := group.pg()) is not None)


def backward_operations() -> list[tuple[int, int, str, str]]:
    """What DistributedDataParallel has issued in a backward pass that a thread is in now, before an event tells of it.

    Asked from another thread. While one stands in the engine's C++ no wrapper of ours is at work on that thread.
    """
    frames = [f for f in sys._current_frames().values() if f.f_code.co_name == "_engine_run_backward"]
    place = outside(frames[0]) if len(frames) == 1 else None
    if place is None:
        return []
    found: list[tuple[int, int, str, str]] = []
    for group in list(groups.values()):
        pg = group.pg()
        if pg is not None and group.data_parallel and not group.issuing and (more := count(pg) - group.count) > 0:
            found.append((group.comm.id, more, DATA_PARALLEL, site_text(*place)))
    return found


def limit_s(timeout: Any) -> int:
    """The seconds of a timeout that the program means as a deadline; 0: the library's own, of many minutes, or none."""
    short = timeout is not None and 0 <= timeout.total_seconds() < SHORT_S
    return max(1, math.ceil(timeout.total_seconds())) if short else 0


def sooner(one_s: int, other_s: int) -> int:
    """The shorter of two limits, of which 0 is none."""
    return min(one_s or other_s, other_s or one_s)
