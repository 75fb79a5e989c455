"""The text of a file that a user names: so much of it as a person would write, and of nothing that never ends.

What a file names in turn, as a scenario its config, is read with `pipes=False`: nobody has said that somebody writes there.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from lockstep.harness.scenario.errors import FileErrors, Problem

LARGEST = 1 << 20  # bytes; what reads YAML takes a thousand times as much memory, and seconds for each of them
_PIPES: dict[tuple[str, int, int], bytes] = {}  # what came of a pipe, which can be read once
STDIN = ("/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")


def read_text(path: Path, errors: str = "strict", pipes: bool = True) -> str:
    """All of it. `errors`: what is done with bytes that are no UTF-8. `pipes`: whether it may be one. Raises FileErrors."""
    try:
        kind = path.stat().st_mode
        piped = pipes and (stat.S_ISFIFO(kind) or str(path) in STDIN)
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind) or piped):
            if not pipes and stat.S_ISFIFO(kind):
                raise _refused(path, "this is a pipe", "give a file")
            raise _refused(path, "this is a device or a socket", "give a file, or a pipe" if pipes else "give a file")
        found = _of_pipe(path) if piped else _of_file(path)
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


def _of_file(path: Path) -> bytes:
    """Without a wait, should it be a pipe by now."""
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if stat.S_ISFIFO(os.fstat(file.fileno()).st_mode):
            raise _refused(path, "this is a pipe", "give a file")
        return file.read(LARGEST + 1)


def _of_pipe(path: Path) -> bytes:
    """What came of it, also when it is asked for again."""
    told = path.stat()
    key = (str(path), told.st_dev, told.st_ino)
    if key not in _PIPES:
        with path.open("rb") as file:
            _PIPES[key] = file.read(LARGEST + 1)
    return _PIPES[key]


def _refused(path: Path, what: str, advice: str = "") -> FileErrors:
    return FileErrors([Problem(str(path), 1, 1, "", f"cannot be read: {what}", advice)])
