"""Writes to this command's stdout and stderr, each on a thread of its own: a reader that stands still holds up nobody else.

What has not been taken is kept, in memory up to a bound, then in a file without a name.
"""

from __future__ import annotations

import os
import select
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping
from typing import IO

MEMORY_BYTES = 8 << 20  # that are kept of one stream; what comes then goes to a file
MOST_BYTES = 1 << 30  # that are kept at all: a disk must not be filled, so that whoever writes more waits, as without us
PIECE_BYTES = 1 << 16  # of one write
Write = Callable[[int, memoryview], int]
TOGETHER_S = 0.05  # so long a writer waits for a reader that takes all at once: the streams keep their order then


class _Stream:
    """One descriptor. Whoever reads it may have gone: then all that is left for it is left out."""

    def __init__(self, descriptor: int, write: Write) -> None:
        self._descriptor = descriptor
        self._write = write
        self._kept: deque[bytes | int] = deque()  # an integer: so many bytes, which the file has
        self._file: IO[bytes] | None = None
        self._read_at = 0
        self._memory_bytes = 0
        self.left_bytes = 0
        self.failure: OSError | None = None  # why no more is written; a reader that has gone is none
        self._changed = threading.Condition()
        threading.Thread(target=self._run, name=f"writes to {descriptor}", daemon=True).start()

    def write(self, data: bytes) -> None:
        """Have it written. Returns at once where the reader is behind, unless it is very far behind."""
        with self._changed:
            self._changed.wait_for(lambda: self.left_bytes < MOST_BYTES)
            was_behind = self.left_bytes > 0
            self.left_bytes += len(data)
            self._keep(data)
            self._changed.notify_all()
            if not was_behind:
                self._changed.wait_for(lambda: not self.left_bytes, TOGETHER_S)

    def drain(self, patience_s: float | None) -> int:
        """Wait until all is written; with `patience_s`, so long at most while nothing is. The bytes that are left."""
        with self._changed:
            while self.left_bytes and self._changed.wait(patience_s):
                pass
            return self.left_bytes

    def _keep(self, data: bytes) -> None:
        if self._memory_bytes + len(data) <= MEMORY_BYTES and not (self._kept and isinstance(self._kept[-1], int)):
            self._kept.append(data)
            self._memory_bytes += len(data)
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115
        self._file.seek(0, os.SEEK_END)
        self._file.write(data)
        self._kept.append(len(data))

    def _next(self) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: bool(self._kept))
            kept = self._kept.popleft()
            if isinstance(kept, bytes) or self._file is None:
                found = kept if isinstance(kept, bytes) else b""
                self._memory_bytes -= len(found)
                return found
            self._file.seek(self._read_at)
            found = self._file.read(kept)
            self._read_at += kept
            if not self._kept:  # all of the file has been read
                self._read_at = 0
                self._file.seek(0)
                self._file.truncate()
            return found

    def _run(self) -> None:
        gone = False
        while True:
            rest = memoryview(self._next())
            while rest:
                done = len(rest)
                if not gone:
                    try:
                        done = self._write(self._descriptor, rest[:PIECE_BYTES])
                    except BlockingIOError:  # somebody shares it who has made it non-blocking
                        select.select([], [self._descriptor], [])
                        continue
                    except OSError as error:  # `lockstep watch ... | head`, a full disk, or no terminal any more
                        gone = True
                        self.failure = None if isinstance(error, BrokenPipeError) else error
                rest = rest[done:]
                with self._changed:
                    self.left_bytes -= done
                    self._changed.notify_all()


class OutputWriter:
    """stdout and stderr of this command. `write`: as `os.write`."""

    def __init__(self, write: Write = os.write) -> None:
        self._streams: Mapping[int, _Stream] = {descriptor: _Stream(descriptor, write) for descriptor in (1, 2)}

    def write(self, descriptor: int, data: bytes) -> None:
        """Have it written as it is."""
        self._streams[descriptor].write(data)

    def say(self, text: str, descriptor: int = 2) -> None:
        """A line for people, or for a program."""
        self.write(descriptor, f"{text}\n".encode(errors="replace"))

    def drain(self, patience_s: float | None) -> int:
        """Wait until all is written, with `patience_s` as long as somebody reads it. The number of bytes that are left."""
        return sum(stream.drain(patience_s) for stream in self._streams.values())

    @property
    def failure(self) -> OSError | None:
        """Why what the program printed could not be written to stdout, where it could not."""
        return self._streams[1].failure
