"""The launcher's daemon that starts the supervisors of a host. When it is killed the MPI of the ranks ends them, each with
an exit status of its own: that is no fault of the program. Standard library only: it is on the path to the engine's start.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from lockstep.harness.host import proc

DAEMONS = ("prted", "hydra_pmi_proxy")  # of launchers; cut off from theirs they may stay for ever


class Daemon(NamedTuple):
    """The launcher's process that has started this one."""

    pid: int
    name: str

    def lives(self) -> bool:
        """Whether it is there. While it ends, its connections close before its children get another parent."""
        try:
            return os.getppid() == self.pid and not proc.Stat.of(self.pid).ending
        except OSError:
            return False


def daemon_above() -> Daemon | None:
    """The daemon of a launcher that is the parent of this process; None where something else is."""
    parent = os.getppid()
    name = proc.name_of(parent)
    return Daemon(parent, name) if name in DAEMONS else None
