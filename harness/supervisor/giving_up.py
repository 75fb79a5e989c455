"""What a supervisor says when its program cannot be started: whether another launch would end the same is told by it."""

from __future__ import annotations

import errno
import os
from typing import NoReturn

# The program, or the folder to run it in, is not there or cannot be used; all else may be better the next time.
_LASTING = (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.E2BIG)


def give_up(program: str, error: OSError) -> NoReturn:
    """End this supervisor. Raises SystemExit."""
    from lockstep.harness.launch.job import CANNOT_START

    begun = CANNOT_START if error.errno in _LASTING else "lockstep supervisor: nothing can be started now on"
    what = error.filename if isinstance(error.filename, str) else program  # the folder, where that is what is missing
    raise SystemExit(f"{begun} {os.uname().nodename}: {what}: {error.strerror}") from None
