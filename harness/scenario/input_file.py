"""The text of a file that a user names: so much of it as a person would write, and of nothing that never ends."""

from __future__ import annotations

import stat
from pathlib import Path

from lockstep.harness.scenario.errors import FileErrors, Problem

LARGEST = 1 << 20  # bytes; what reads YAML takes a thousand times as much memory, and seconds for each of them
STDIN = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")


def read_text(path: Path, errors: str = "strict") -> str:
    """All of it. `errors`: what is done with bytes that are no UTF-8. Raises FileErrors."""
    try:
        kind = path.stat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISFIFO(kind) or stat.S_ISDIR(kind) or str(path) in STDIN):
            raise _refused(path, "this is a device or a socket", "give a file, or a pipe")
        with path.open("rb") as file:
            found = file.read(LARGEST + 1)
        if len(found) > LARGEST:
            raise _refused(path, f"it is larger than {LARGEST >> 20} MiB", "give a smaller file")
        return found.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise _refused(path, "this is no text") from error
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        raise _refused(path, what, "give the name of a file that is there and may be read") from error
    except ValueError as error:  # a null byte in the name
        raise _refused(path, str(error), "give the name of a file") from error


def _refused(path: Path, what: str, advice: str = "") -> FileErrors:
    return FileErrors([Problem(str(path), 1, 1, "", f"cannot be read: {what}", advice)])
