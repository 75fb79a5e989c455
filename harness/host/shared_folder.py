"""Folders that the supervisors of one host share, and the last of them removes; of those that a crash has left, the next.

Standard library only: it is on the path to the engine's start.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PREFIX = "lockstep-"
_OURS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW
HELD, TURN, OWNER = ".held", ".turn", ".owner"
STALE_S = 600.0  # a folder that nobody holds may be one between two launches


class NodeFolder:
    """A folder of this user alone. It is held as long as this process lives, or has not left it."""

    def __init__(self, path: Path) -> None:
        """Make it, or join those that are in it. Raises OSError where it cannot be made, or somebody else has put something
        there: a link would have us empty whatever it leads to."""
        self.path = path
        with contextlib.suppress(FileExistsError):
            path.mkdir(mode=0o700)
        self._folder = _opened(path)
        self._inside = Path(f"/proc/self/fd/{self._folder}")  # this very folder, whatever becomes of its name
        try:
            self._held = os.open(HELD, _OURS, 0o600, dir_fd=self._folder)
        except OSError:
            os.close(self._folder)
            raise
        fcntl.flock(self._held, fcntl.LOCK_SH)

    def begin(self, owner: str) -> None:
        """Empty it, unless another of those in it has done so for the same owner."""
        with self._turn():
            mark = self._inside / OWNER
            if mark.exists() and mark.read_text() == owner:
                return
            for entry in self._inside.iterdir():
                if entry.name not in (HELD, TURN):
                    _remove(entry)
            mark.write_text(owner)

    def agreed(self, name: str, make: Callable[[], str]) -> str:
        """A value that is the same for all who are in it: the first of them makes it."""
        with self._turn():
            place = self._inside / name
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
                os.utime(self._folder)
            else:
                fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)  # refused while another is in it
                shutil.rmtree(self.path, ignore_errors=True)  # follows no link
        os.close(self._held)
        os.close(self._folder)
        self._held = -1

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        turn = os.open(TURN, _OURS, 0o600, dir_fd=self._folder)
        try:
            fcntl.flock(turn, fcntl.LOCK_EX)
            yield
        finally:
            os.close(turn)


def remove_stale(parent: Path) -> None:
    """Remove such folders of this user in `parent` that nobody holds and that are old: a crash has left them."""
    for path in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            folder = _opened(path)
            try:
                if time.time() - os.fstat(folder).st_mtime >= STALE_S:
                    _remove_if_free(path, folder)
            finally:
                os.close(folder)


def _remove_if_free(path: Path, folder: int) -> None:
    """Remove one that nobody holds. Raises OSError where somebody does, or it is a folder of another kind."""
    held = os.open(HELD, os.O_RDWR | os.O_NOFOLLOW, dir_fd=folder)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(held)


def _opened(path: Path) -> int:
    """A descriptor of a folder that is no link, that belongs to this user, and into which nobody else may write. Raises
    OSError."""
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    found = os.fstat(folder)
    if found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return folder
    os.close(folder)
    who = "others may write to it" if found.st_uid == os.geteuid() else "it belongs to another user"
    raise PermissionError(errno.EACCES, f"{who}; remove it, or set TMPDIR to a folder of your own", str(path))


def folder_name(job: str) -> str:
    """The name of the folder that supervisors of a job share on each host. `job`: the job's own on the watchdog's host."""
    return f"{Path(job).name}.node"


def state_name(secret: str, path: str) -> str:
    """The name, on other hosts, of the folder that a watchdog keeps at `path` between launches. By a secret: nobody can be
    there first."""
    return f"{PREFIX}state-{hashlib.sha256(f'{secret} {path}'.encode()).hexdigest()[:16]}"


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)


def remove_job_folder(folder: str) -> None:
    """Remove the private temporary folder of a job; nothing else that TMPDIR may name."""
    if Path(folder).name.startswith("lockstep-"):
        shutil.rmtree(folder, ignore_errors=True)
