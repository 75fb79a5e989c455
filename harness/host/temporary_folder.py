"""A temporary folder that a later process of this user removes where the one that made it came to no end of its own."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

YOUNG_S = 60.0  # so old a folder must be: before it is locked it looks like one that nobody has


@contextlib.contextmanager
def temporary_folder(kind: str) -> Iterator[Path]:
    """A folder that is gone afterwards, with those of the same kind that others have left: a time-out by `os._exit`, or a
    SIGKILL, runs no `finally`. Its lock says that somebody lives who needs it, also to another PID namespace."""
    prefix = f"lockstep-{kind}-{os.geteuid()}-"
    _sweep(prefix)
    with tempfile.TemporaryDirectory(prefix=prefix) as folder, _locked(folder):
        yield Path(folder)


@contextlib.contextmanager
def _locked(folder: str | Path) -> Iterator[None]:
    """Hold the lock of a folder of this user, which is no link. Raises OSError, also where another process holds it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if os.fstat(descriptor).st_uid != os.geteuid():
            raise PermissionError(f"{folder}: is another user's")
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _sweep(prefix: str) -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            told = path.lstat()
            if stat.S_ISDIR(told.st_mode) and time.time() - told.st_mtime > YOUNG_S:
                with _locked(path):
                    shutil.rmtree(path, ignore_errors=True)
