"""A world of the soak's own: network, /dev/shm and /tmp that nobody else uses: whatever is found there is its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

INSIDE = "SOAK_ALONE"
ROOT = Path(__file__).parents[2]
FOLDERS = ("/dev/shm", "/tmp")
ENTER = 'ip link set lo up; {mounts}exec "$@"'
MOUNT = "mount -t tmpfs -o mode=1777 tmpfs {folder}; "


def inside() -> bool:
    """Whether this process is in it."""
    return INSIDE in os.environ


def enter(module: str, words: Sequence[str], kept: Path) -> None:
    """Begin again in it, where this user may make it; else say what that means. `kept`: a place that is to stay as it is."""
    if inside():
        return
    places = (ROOT, sys.prefix, sys.base_prefix, kept)
    needed = [folder for folder in FOLDERS if not any(_below(place, folder) for place in places)]
    command = ["unshare", "--net", "--mount", "sh", "-ec", ENTER.format(mounts="".join(map(_mount, needed))), "sh"]
    possible = shutil.which("unshare") and shutil.which("ip")
    if possible and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
        os.environ[INSIDE] = ",".join(needed)
        os.execvp(command[0], [*command, sys.executable, "-m", module, *words])
    print("no namespaces of its own: ports are not looked at, and nothing else may run MPI meanwhile", file=sys.stderr)


def own(folder: str) -> bool:
    """Whether all in it is the soak's."""
    return folder in os.environ.get(INSIDE, "").split(",")


def _mount(folder: str) -> str:
    return MOUNT.format(folder=folder)


def _below(place: str | Path, folder: str) -> bool:
    return Path(folder) in Path(place).resolve().parents
