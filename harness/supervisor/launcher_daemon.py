"""The launcher's daemon that starts the supervisors of a host. When it is killed the MPI of the ranks ends them, each with
an exit status of its own: that is no fault of the program. Standard library only: it is on the path to the engine's start.
"""

from __future__ import annotations

from typing import NamedTuple

from lockstep.harness.host import proc

DAEMONS = ("prted", "hydra_pmi_proxy")  # of launchers; cut off from theirs they may stay for ever


class Daemon(NamedTuple):
    """The launcher's process. `started`: what it has started, this process or the one for which this one stands."""

    pid: int
    name: str
    started: int

    def lives(self) -> bool:
        """Whether it is there. While it ends, its connections close before its children get another parent."""
        try:
            return proc.Stat.of(self.started).parent == self.pid and not proc.Stat.of(self.pid).ending
        except OSError:
            return False


def daemon_above(started: int) -> Daemon | None:
    """The daemon of a launcher that is the parent of a process; None where something else is."""
    try:
        parent = proc.Stat.of(started).parent
    except OSError:
        return None
    name = proc.name_of(parent)
    return Daemon(parent, name, started) if name in DAEMONS else None
