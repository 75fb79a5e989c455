"""Whether NCCL hears in a process when one of its peers ends: between hosts, over sockets or InfiniBand.

There the process is then told of an error, over which PyTorch's watchdog ends it after some seconds. Within a host nobody is
told anything.
"""

from __future__ import annotations

from pathlib import Path

from lockstep.harness.attach.natives import NCCL, OF_NCCL
from lockstep.harness.host.proc import listed

BETWEEN_HOSTS = "NCCL Progress"  # that which serves connections between hosts: there is none without


def hears_of_ends(pid: int) -> bool:
    """So it may be where its threads have no names, or none yet: it connects to its peers over sockets at first."""
    try:
        names = [(task / "comm").read_text() for task in listed(Path(f"/proc/{pid}/task"))]
        if any(name.startswith(OF_NCCL) for name in names):
            return any(name.startswith(BETWEEN_HOSTS) for name in names)
        return f"/{NCCL}" in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return True
