"""What a command leaves behind when it ends in order: a daemon that does the work, or something that was forgotten."""

from __future__ import annotations

import os
from collections.abc import Collection

from lockstep.harness.host import proc
from lockstep.harness.host.process_tree import descendants
from lockstep.harness.supervisor.idleness import Idleness

GRACE_S = 2.0  # for what ends by itself when its parent has
TOLD_S = 1.0  # what is waited for longer is told
QUIET_S = 60.0  # a daemon that has done nothing for so long is not waited for


class Leftover:
    """Of one command, from its end. `variable`: name and value by which its Python processes are known."""

    def __init__(self, variable: tuple[str, str], now_s: float) -> None:
        self._variable = variable
        self._since_s = now_s  # when nothing was left that goes on with the work
        self._seen_s: dict[int, float] = {}  # when each that is waited for was first seen
        self._told: set[int] = set()
        self.news = ""  # what is to be said, until it has been
        self.processes: tuple[str, ...] = ()  # what is not waited for

    def goes_on(self, attached: Collection[int], idleness: Idleness, heard_s: float, now_s: float) -> bool:
        """Whether something is waited for. `attached`: living processes with rings; `heard_s`: when one last told."""
        alive = [pid for pid in descendants(os.getpid()) if not proc.is_zombie(pid)]
        working = [
            pid for pid in alive if pid in attached or (proc.is_python(pid) and proc.has_variable(pid, *self._variable))
        ]
        if working:
            self._since_s = now_s
            if idleness.for_s(working, now_s) < QUIET_S or now_s - heard_s < QUIET_S:
                self._tell(working, now_s)
                return True
        elif alive and now_s - self._since_s < GRACE_S:
            return True
        self.processes = tuple(map(_name, alive))
        return False

    def _tell(self, working: Collection[int], now_s: float) -> None:
        # What ends by itself right after the command, as multiprocessing's resource tracker does, is worth no words.
        lasting = [pid for pid in working if now_s - self._seen_s.setdefault(pid, now_s) >= TOLD_S]
        fresh = [pid for pid in lasting if pid not in self._told]
        self._told.update(fresh)
        if fresh:
            what = ", ".join(map(_name, fresh))
            self.news = f"lockstep: the command has ended; what it left behind is waited for: {what}\n"


def _name(pid: int) -> str:
    return f"process {pid} ({proc.command_line(pid)})"
