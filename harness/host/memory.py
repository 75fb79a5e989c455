"""How much memory this host can still give to processes of ours: of the machine, and of the control group that we are in."""

from __future__ import annotations

import re
from pathlib import Path

# Of cgroup v2 and of v1, as a container sees its own: the limit, and what of it is taken.
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
_MEMINFO = Path("/proc/meminfo")


def available_bytes() -> int:
    """What can be taken without swapping."""
    (machine,) = re.findall(r"^MemAvailable: *(\d+) kB", _MEMINFO.read_text(), re.MULTILINE)
    groups = (_left(Path(limit), Path(taken)) for limit, taken in CGROUPS)
    return min([int(machine) << 10, *(left for left in groups if left is not None)])


def _left(limit: Path, taken: Path) -> int | None:
    """What a group has left; None where there is no such group, or no limit (`max`)."""
    try:
        return max(0, int(limit.read_text()) - int(taken.read_text()))
    except (OSError, ValueError):
        return None
