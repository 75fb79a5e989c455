"""Processes that have started ranks and may still do something about them: one that looks now and then.

Of launchers that are known it is known what they do: they end ranks when one has failed, or when their user says so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from lockstep.harness.host.alarms import LAUNCHERS
from lockstep.harness.host.proc import name_of
from lockstep.harness.host.process_tree import ancestors
from lockstep.harness.host.thread_waits import thread_waits
from lockstep.harness.supervisor.ray_workers import RAYLET

# A limit of time that the user has set is an end from outside.
PROGRAMS = (*LAUNCHERS, "timeout", RAYLET)
# Agents that are Python programs: words of their command lines.
AGENTS = (
    "torchrun",
    "torch.distributed.run",
    "torch.distributed.launch",
    "accelerate",
    "deepspeed",
    "deepspeed.launcher.launch",
)


def overseers(recorded: Collection[int], below: Collection[int], waiting: Collection[int] = ()) -> tuple[int, ...]:
    """Those that stand above a process with a recorder, and of which a thread is at work or in a wait that ends by itself.

    `below`: all processes of the command. `waiting`: those of which it is known that they do nothing, whatever their threads
    look like.
    """
    found = {one for pid in recorded for one in ancestors(pid)}.intersection(below).difference(waiting)
    return tuple(sorted(pid for pid in found if not _is_launcher(pid) and _may_act(pid)))


def _is_launcher(pid: int) -> bool:
    if name_of(pid) in PROGRAMS:
        return True
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        return any(word.rpartition("/")[2] in AGENTS for word in words[:6])
    return False


def _may_act(pid: int) -> bool:
    return not all(one.sleeps for one in thread_waits(pid))
