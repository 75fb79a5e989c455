"""What a process prints, forwarded as it comes. Standard library only: it is on the path to the engine's start."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator

CHUNK_BYTES = 1 << 20  # of one message


class OutputPump:
    """Files without a name, one for each stream, into which a child writes without ever waiting for a reader."""

    def __init__(self, streams: int) -> None:
        self.files = [tempfile.TemporaryFile() for _ in range(streams)]  # noqa: SIM115
        self._sent = [0] * streams
        for file in self.files:
            # Who opens /dev/stdout anew may cut the file: what others print then goes to its end, not behind a hole.
            fcntl.fcntl(file.fileno(), fcntl.F_SETFL, fcntl.fcntl(file.fileno(), fcntl.F_GETFL) | os.O_APPEND)

    def new(self) -> Iterator[tuple[int, bytes]]:
        """What was written since it was last asked: the number of the stream, and the bytes."""
        for stream, file in enumerate(self.files):
            size = os.fstat(file.fileno()).st_size
            if size < self._sent[stream]:  # it was cut
                self._sent[stream] = 0
            while self._sent[stream] < size:
                chunk = os.pread(file.fileno(), CHUNK_BYTES, self._sent[stream])
                if not chunk:  # cut just now
                    break
                self._sent[stream] += len(chunk)
                yield stream, chunk
