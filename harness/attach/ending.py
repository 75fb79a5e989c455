"""How the program of a process ends, as far as it is known before the process does: by an error, with a status, or well."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable

from lockstep.harness.trace.recorder import Recorder


class Ending:
    """What the last exit handler writes."""

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        self.failed = False
        self.exit_code = 0  # as far as it is known before the end
        self.leftovers: list[Callable[[], None]] = []  # what libraries have to say of a program that ends in order
        self.abort_code: Callable[[], int] = lambda: 0  # with which C code ends the job after Python; 0: none does

    def uncaught(self, error: BaseException) -> None:
        """An exception ends the program of this process. Only the first counts."""
        if not self.failed:
            self.failed = True
            self.error = error
            self.recorder.error(error)

    def finish(self) -> None:
        """The last exit handler has run."""
        if not self.failed and isinstance(last := getattr(sys, "last_value", None), BaseException):
            self.uncaught(last)  # the program has an excepthook of its own
        code = self.abort_code()
        for call in () if code else last_calls:
            with contextlib.suppress(Exception):  # an error of ours is none of the program's
                call()
        if self.failed:
            self.recorder.raised(self.error)
            self.error = None  # type: ignore[assignment]  # it holds frames, and with them the program's objects
        elif self.exit_code:
            self.recorder.status(self.exit_code)
        elif not code:
            for tell in self.leftovers:
                with contextlib.suppress(Exception):  # it is worth less than how the program ended
                    tell()
            self.recorder.returned()
        self.recorder.leaving()
        if code:
            self.recorder.abort(code)


last_calls: list[Callable[[], object]] = []  # what the end of the interpreter will do, to be written down before it does
