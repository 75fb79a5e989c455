"""What a process prints, forwarded as it comes. Standard library only: it is on the path to the engine's start."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator

CHUNK_BYTES = 1 << 20  # of one message


class OutputPump:
    """Files without a name, one for each stream, into which a child writes without ever waiting for a reader."""

    def __init__(self, streams: int) -> None:
        self.files = [tempfile.TemporaryFile() for _ in range(streams)]  # noqa: SIM115
        self._sent = [0] * streams

    def new(self) -> Iterator[tuple[int, bytes]]:
        """What was written since it was last asked: the number of the stream, and the bytes."""
        for stream, file in enumerate(self.files):
            size = os.fstat(file.fileno()).st_size
            while self._sent[stream] < size:
                chunk = os.pread(file.fileno(), CHUNK_BYTES, self._sent[stream])
                self._sent[stream] += len(chunk)
                yield stream, chunk
