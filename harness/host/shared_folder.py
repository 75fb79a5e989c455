"""Folders that the supervisors of one host share, and the last of them removes; of those that a crash has left, the next.

Standard library only: it is on the path to the engine's start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

PREFIX = "lockstep-"
HELD, TURN, OWNER = ".held", ".turn", ".owner"
STALE_S = 600.0  # a folder that nobody holds may be one between two launches


class NodeFolder:
    """A folder of this user alone. It is held as long as this process lives, or has not left it."""

    def __init__(self, path: Path) -> None:
        """Make it, or join those that are in it. Raises OSError where it cannot be made."""
        self.path = path
        path.mkdir(mode=0o700, exist_ok=True)
        if path.stat().st_uid != os.geteuid():
            raise PermissionError(f"{path} belongs to another user")
        self._held = os.open(path / HELD, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._held, fcntl.LOCK_SH)

    def begin(self, owner: str) -> None:
        """Empty it, unless another of those in it has done so for the same owner."""
        with self._turn():
            mark = self.path / OWNER
            if mark.exists() and mark.read_text() == owner:
                return
            for entry in self.path.iterdir():
                if entry.name not in (HELD, TURN):
                    _remove(entry)
            mark.write_text(owner)

    def agreed(self, name: str, make: Callable[[], str]) -> str:
        """A value that is the same for all who are in it: the first of them makes it."""
        with self._turn():
            place = self.path / name
            if not place.exists():
                place.write_text(make())
            return place.read_text()

    def leave(self, keep: bool = False) -> None:
        """This process needs it no more; harmless when done twice. The last one removes it, unless it is to be kept."""
        if self._held < 0:
            return
        with contextlib.suppress(OSError):
            fcntl.flock(self._held, fcntl.LOCK_UN)
            if keep:
                os.utime(self.path)
            else:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while another is in it
                shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._held)
        self._held = -1

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        turn = os.open(self.path / TURN, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield
        finally:
            os.close(turn)


def remove_stale(parent: Path) -> None:
    """Remove such folders of this user in `parent` that nobody holds and that are old: a crash has left them."""
    for path in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.stat().st_uid != os.geteuid() or time.time() - path.stat().st_mtime < STALE_S:
                continue
            held = os.open(path / HELD, os.O_RDWR)  # not there in folders of another kind
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(held)


def folder_name(job: str) -> str:
    """The name of the folder that supervisors of a job share on each host. `job`: the job's own on the watchdog's host."""
    return f"{Path(job).name}.node"


def state_name(machine: str, path: str) -> str:
    """The name, on other hosts, of the folder that a watchdog on this machine keeps at `path` between launches."""
    return f"{PREFIX}state-{zlib.crc32(f'{machine} {path}'.encode()):08x}"


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)


def remove_job_folder(folder: str) -> None:
    """Remove the private temporary folder of a job; nothing else that TMPDIR may name."""
    if Path(folder).name.startswith("lockstep-"):
        shutil.rmtree(folder, ignore_errors=True)
