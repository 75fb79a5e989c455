"""Files that a launcher's daemons make outside of every job's folder, and forget when they are killed.

Standard library only: supervisors import it.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path

from lockstep.harness.host.proc import listed, name_of

PROXY = "hydra_pmi_proxy"
TOPOLOGY = "/tmp/hydra_hwloc_xmlfile_"  # of the host, which ranks are to read; wherever TMPDIR points


def made_by(pid: int) -> set[str]:
    """Those that a process has open which is such a daemon: they are nobody else's."""
    if name_of(pid) != PROXY:
        return set()
    found: set[str] = set()
    for entry in listed(Path(f"/proc/{pid}/fd")):
        with contextlib.suppress(OSError):
            target = os.readlink(entry)  # noqa: PTH115  (a text, which may lead to no file)
            if target.startswith(TOPOLOGY) and _is_file_of_mine(target):
                found.add(target)
    return found


def _is_file_of_mine(path: str) -> bool:
    seen = os.lstat(path)
    return stat.S_ISREG(seen.st_mode) and seen.st_uid == os.geteuid()
