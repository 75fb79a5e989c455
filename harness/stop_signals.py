"""Signals by which a person, a terminal or a scheduler asks a command to end: how often they came, and which was the first.

While a case is watched they are counted and raise nothing: its session ends in order, with all that it has found, and no
step of that is cut in the middle. At any other time the first raises, as Ctrl-C does in Python. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import stat
from collections.abc import Callable, Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HURRY = 2  # so many: who asks again wants less to be gathered


class Stopped(KeyboardInterrupt):
    """The command was asked to end."""

    def __init__(self, signum: int) -> None:
        super().__init__()
        self.exit_code = 128 + signum


class StopSignals:
    """`signum`: the first that came, 0 before. `count`: how many came."""

    def __init__(self) -> None:
        self.signum = 0
        self.count = 0
        # Where it is told that one was heard: called at any moment, so that it may wait for nothing.
        self.tell: Callable[[str], None] = _to_stderr
        self._watched: list[object] = []  # a list, since its methods are atomic: cases run in threads

    @property
    def name(self) -> str:
        """Of the first, for people."""
        return "Ctrl-C" if self.signum == signal.SIGINT else signal.Signals(self.signum).name if self.signum else ""

    @property
    def hurry(self) -> bool:
        """Whether whoever asked has asked again."""
        return self.count >= HURRY

    @contextlib.contextmanager
    def heard(self) -> Iterator[StopSignals]:
        """In the main thread: take them. One that is ignored (nohup, a shell's background) stays ignored.

        Where any came, all are ignored afterwards: the command is on its way out.
        """
        before = {signum: signal.getsignal(signum) for signum in SIGNALS}
        for signum, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(signum, self._take)
        try:
            yield self
        finally:
            for signum, handler in before.items():
                # What came once may come again while the process ends, which by then only has its exit code left to lose.
                signal.signal(signum, signal.SIG_IGN if self.count else handler)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """A case is watched: they are only counted."""
        token = object()
        self._watched.append(token)
        try:
            yield
        finally:
            self._watched.remove(token)

    def raise_if_any(self) -> None:
        """After a case: the command goes no further. Raises Stopped."""
        if self.count:
            raise Stopped(self.signum)

    def _take(self, signum: int, frame: FrameType | None) -> None:
        if signum == signal.SIGHUP:
            _let_terminal_go()
        self.count += 1
        self.signum = self.signum or signum
        if self._watched:
            self._told()
        elif self.count == 1:
            raise Stopped(signum)
        # Else it has ended all cases, or was on its way out before: what is left is short, and worth its time.

    def _told(self) -> None:
        text = {
            1: f"lockstep: {self.name}: gathering who waits where, then everything is ended; once more to gather less",
            HURRY: "lockstep: ending everything now; the verdict is kept",
        }.get(self.count)
        if text:
            self.tell(text)


def _to_stderr(text: str) -> None:
    # Nobody may read it, and a signal's handler that waits keeps the verdict from being given.
    with contextlib.suppress(OSError):
        if select.select([], [2], [], 0)[1]:
            os.write(2, f"\n{text}\n".encode())


def _let_terminal_go() -> None:
    """The terminal has gone: who still writes to it would fail over that, and lose what there is to tell elsewhere."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            with contextlib.suppress(OSError):
                if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                    os.dup2(null, descriptor)
        os.close(null)
