"""What a program's ranks are doing, at the foot of the terminal that has its output: there while nothing is printed."""

from __future__ import annotations

import contextlib
import os
import queue
import stat
import threading
import time
from types import TracebackType

from lockstep.harness.campaign.live_rows import program_rows
from lockstep.harness.campaign.rank_words import RankLooks, RankWords
from lockstep.harness.stop_signals import StopSignals
from lockstep.harness.watchdog.ranks.rank_table import RankTable

QUIET_S = 0.7  # so long nothing has come
EVERY_S = 0.25
DRAW = "draw"
DUMB = ("", "dumb", "unknown")


def has_foot() -> bool:
    """Whether what we draw stays whole: stderr is a terminal, and stdout is it too, or a file. Who reads a pipe may write to
    the same terminal, at any time."""
    if not os.isatty(2) or os.environ.get("TERM", "") in DUMB:
        return False
    mode = os.fstat(1).st_mode
    return os.isatty(1) or stat.S_ISREG(mode) or os.fstat(1).st_rdev == os.stat(os.devnull).st_rdev  # noqa: PTH116


class ProgramFoot:
    """Of one terminal."""

    def __init__(self, stop_signals: StopSignals) -> None:
        self._stop_signals = stop_signals
        self._heard: queue.SimpleQueue[str] = queue.SimpleQueue()  # which a signal's handler may fill at any moment
        self._lock = threading.Lock()  # of the terminal; never taken by the thread that watches
        self._drawn: list[str] = []
        self._at_line_start = True
        self._written_s = self._begun_s = time.monotonic()
        self._looks, self._words = RankLooks(), RankWords()
        self._closed = threading.Event()

    def __enter__(self) -> ProgramFoot:
        """From now on it is drawn, on a thread of its own: a terminal that is stopped holds up nobody else."""
        self._stop_signals.tell = self._heard.put  # what else is written there would break it
        threading.Thread(target=self._run, name="foot of the terminal", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Nothing is drawn any more; what stands there goes before the next that is written."""
        self._closed.set()
        self._heard.put("")

    def look(self, ranks: RankTable) -> None:
        """Where ranks are, now and then."""
        if (words := self._looks.look(ranks)) is not None:
            self._words = words

    def write(self, descriptor: int, data: memoryview) -> int:
        """Write what the program printed. As `os.write`."""
        with self._lock:
            self._erase()
            written = os.write(descriptor, data)
            self._at_line_start = bytes(data[:written][-1:]) == b"\n" if written else self._at_line_start
            self._written_s = time.monotonic()
            return written

    def _run(self) -> None:
        with contextlib.suppress(OSError):  # no terminal any more
            while text := self._next():
                if text is not DRAW:
                    self.write(2, memoryview(f"\n{text}\n".encode()))
                self._draw()

    def _next(self) -> str:
        """What is to be told, or, when nothing was for a moment, that the foot may be drawn anew; empty: it is closed."""
        try:
            return self._heard.get(timeout=EVERY_S)
        except queue.Empty:
            return DRAW

    def _draw(self) -> None:
        with self._lock:
            now = time.monotonic()
            if (
                self._closed.is_set()
                or self._stop_signals.count
                or not self._at_line_start
                or now - self._written_s < QUIET_S
            ):
                return
            if os.tcgetpgrp(2) != os.getpgrp():  # in the background
                return
            rows = program_rows(self._words, now - self._begun_s, max(1, os.get_terminal_size(2).columns - 1))
            if rows != self._drawn:
                self._erase()
                os.write(2, "\n".join(rows).encode("utf-8", "replace"))
                self._drawn = rows

    def _erase(self) -> None:
        if self._drawn:
            up = len(self._drawn) - 1
            os.write(2, b"\r" + (b"\x1b[%dA" % up if up else b"") + b"\x1b[J")
        self._drawn = []
