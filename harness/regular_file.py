"""Files that somebody else may have put there: opened only where they are regular, without waiting, read up to a bound.

A folder may come from elsewhere. A pipe in it would never begin, a device never end, and a link leads out of it: who reads
a run would print a secret of its user, who writes one would change a file that is none of its own.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

MOST_BYTES = 256 << 20  # of a file that is read as text or JSON; those of 4,096 ranks take a tenth of it
NOT_REGULAR = "not a regular file"
LINK = "not a regular file but a symbolic link"
_PIECE = 1 << 20


class NotRegularError(OSError):
    """What lies there is no regular file, or too large a one: as the user's mistake, told with its place first."""

    @staticmethod
    def of(path: Path, why: str = NOT_REGULAR) -> NotRegularError:
        """At a place."""
        return NotRegularError(errno.EPERM, why, str(path))

    def __str__(self) -> str:
        return f"{self.filename}: {self.strerror}"


def opened(path: Path, flags: int = os.O_RDONLY, links: bool = False) -> int:
    """The descriptor of a regular file. `flags` as of os.open; what stands in it is cut off only when it is known to be one.

    `links`: one that leads there is followed, as somebody has named it. Raises NotRegularError, and OSError as os.open does.
    """
    safe = os.O_NONBLOCK | os.O_CLOEXEC | (0 if links else os.O_NOFOLLOW)
    try:
        descriptor = os.open(path, flags & ~os.O_TRUNC | safe, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP and not links:
            raise NotRegularError.of(path, LINK) from error
        if error.errno == errno.ENXIO:  # a pipe that nobody reads, or a socket
            raise NotRegularError.of(path) from error
        raise
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise NotRegularError.of(path)
        if flags & os.O_TRUNC:
            os.ftruncate(descriptor, 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def read(path: Path, most: int = MOST_BYTES, links: bool = False) -> bytes:
    """All of it. Raises NotRegularError where it is more than `most` bytes."""
    found = bytearray()
    with os.fdopen(opened(path, links=links), "rb", buffering=0) as file:
        if os.fstat(file.fileno()).st_size > most:
            raise _too_large(path, most)
        while piece := file.read(_PIECE):
            found += piece
            if len(found) > most:
                raise _too_large(path, most)
    return bytes(found)


def read_end(path: Path, size: int) -> bytes:
    """The last bytes of it."""
    with os.fdopen(opened(path), "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - size))
        return file.read(size)


def read_text(path: Path, most: int = MOST_BYTES, links: bool = False) -> str:
    """All of it. Raises ValueError where it is no UTF-8."""
    try:
        return read(path, most, links).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 (byte {error.start + 1})") from error


def _too_large(path: Path, most: int) -> NotRegularError:
    return NotRegularError.of(path, f"larger than {most >> 20} MiB" if most >> 20 else f"larger than {most} bytes")
