"""What is said of an exception that ends a command: a sentence and an exit code; of a fault of our own its trace is kept."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from lockstep.harness.errors import LockstepError
from lockstep.harness.regular_file import NotRegularError

_REPORTS = "reports"
EXIT_INPUT = 2
EXIT_FAULT = 3  # nothing could be judged: never 1, which tells a script of a verdict
# What a user can mend: a name that is wrong, is taken, or may not be used.
_INPUT = (
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG,
    errno.ELOOP,
)  # fmt: skip


def told(error: Exception, words: Sequence[str]) -> int:
    """Say on stderr what has happened to the command of these words; the exit code."""
    sentence, code = _judged(error, words)
    with contextlib.suppress(OSError):  # nobody reads it any more
        print(sentence, file=sys.stderr)
    return code


def _judged(error: Exception, words: Sequence[str]) -> tuple[str, int]:
    if isinstance(error, LockstepError):
        return f"{error}", error.exit_code
    if isinstance(error, OSError) and error.filename is not None:
        name = os.fsdecode(error.filename) if isinstance(error.filename, (str, bytes)) else str(error.filename)
        given = isinstance(error, NotRegularError) or (error.errno in _INPUT and _is_input(name, words))
        code = EXIT_INPUT if given else EXIT_FAULT
        return f"lockstep: {name}: {error.strerror}", code
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        more = ", and --resume goes on with it" if words[:1] == ["run"] else ""
        return f"lockstep: {error.strerror}; what was judged so far is kept{more}", EXIT_FAULT
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("lockstep"):
        text = "`make env` installs what Lockstep needs, or pip there; `lockstep doctor` looks at all of it"
        return f"lockstep: no module {error.name} in {sys.executable}; {text}", EXIT_FAULT
    what = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    return f"lockstep: {what}; this is a fault of Lockstep, {_kept(error)}", EXIT_FAULT


def _is_input(name: str, words: Sequence[str]) -> bool:
    """Whether a file is one that the user has named, or lies where reports go: not one that was lost in between."""
    said = {word.partition("=")[2] if word.startswith("--") else word for word in words} - {""}
    path = os.path.abspath(name)  # noqa: PTH100  (no link is followed)
    return any(path == one or path.startswith(f"{one}/") for one in map(os.path.abspath, {*said, _REPORTS}))


def _kept(error: Exception) -> str:
    """Where the trace is; the trace itself where no file can be written."""
    trace = "".join(traceback.format_exception(error))
    try:
        descriptor, name = tempfile.mkstemp(prefix="lockstep-fault-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(f"{sys.argv}\n{sys.version}\n{trace}")
    except OSError:
        return f"and its trace could not be written:\n{trace}"
    return f"please report it with {Path(name)}"
