"""Logs of one process of a case, by theme, as LOCKSTEP_LOG says. Off by default: only what is wrong makes a file.

Loggers are made here and not asked of `logging.getLogger`, since one command watches many cases at once and each has its own
file. What programs print, their arguments and the keys of a run are never written: of long values only the size.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from lockstep.harness.environment import LOG
from lockstep.harness.errors import LockstepError

LEVELS = ("debug", "info", "warning", "error")
WATCHDOG_LOG = "watchdog.log"
FORMAT = logging.Formatter("%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")


def level(environ: Mapping[str, str]) -> str:
    """The level that the user wants. Raises LockstepError for a word that is none."""
    found = environ.get(LOG, "").lower() or "warning"
    if found not in LEVELS:
        raise LockstepError(f"{LOG}={environ[LOG]}: no such level; use one of {', '.join(LEVELS)}, or unset it")
    return found


def supervisor_log_name(number: int) -> str:
    """The file of a supervisor in the case's folder."""
    return f"supervisor-{number}.log"


class ProcessLog:
    """The log of one process: loggers by theme (lockstep.watchdog, .channel, .judge ...), to one place."""

    def __init__(self, handler: logging.Handler, wanted: str) -> None:
        handler.setFormatter(FORMAT)
        self._handler, self._level = handler, wanted.upper()

    @classmethod
    def to_file(cls, path: Path, wanted: str) -> ProcessLog:
        """Into a file that is made with its first line."""
        return cls(_Appending(path, delay=True, encoding="utf-8", errors="replace"), wanted)

    @classmethod
    def to_call(cls, take: Callable[[str], None], wanted: str) -> ProcessLog:
        """Line by line to a function."""
        return cls(_Calling(take), wanted)

    def theme(self, name: str) -> logging.Logger:
        """The logger of a theme."""
        found = logging.Logger(f"lockstep.{name}", self._level)
        found.addHandler(self._handler)
        return found

    def close(self) -> None:
        """Close the file."""
        self._handler.close()


class _Appending(logging.FileHandler):
    """A log that cannot be written costs nothing but itself: a full disk, a folder that is gone."""

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        with contextlib.suppress(OSError):
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Leave it out."""


class _Calling(logging.Handler):
    """Gives each line to a function."""

    def __init__(self, take: Callable[[str], None]) -> None:
        super().__init__()
        self._take = take

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        self._take(self.format(record) + "\n")
