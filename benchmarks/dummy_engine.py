"""An engine that needs nothing but Python: ranks meet at barriers over a socket, and one may take another branch.

`python -m benchmarks.dummy_engine clean|deadlock`, started by a supervisor. No rank knows what the watchdog should say.
"""

from __future__ import annotations

import os
import selectors
import socket
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lockstep.harness.environment import RANK, WORLD
from lockstep.harness.trace import Recorder
from lockstep.harness.trace.handles import Comm

ROUNDS = 10
CONNECT_S = 300.0


def serve(listener: socket.socket, size: int) -> None:
    """The network: lets those go who wait at a barrier when all of `size` have come to it."""
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    waiting: dict[bytes, list[socket.socket]] = defaultdict(list)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                line, _ = listener.accept()
                selector.register(line, selectors.EVENT_READ, line)
                continue
            peer: socket.socket = key.data
            name = peer.recv(1)
            if not name:
                selector.unregister(peer)
                continue
            waiting[name].append(peer)
            if len(waiting[name]) == size:
                for line in waiting.pop(name):
                    line.sendall(name)


class Rank:
    """A rank, and two communicators of all."""

    def __init__(self) -> None:
        self.recorder = Recorder.attach()
        self.rank, self.size = int(os.environ[RANK]), int(os.environ[WORLD])
        self.comms = {name: self.recorder.comm("socket", name, range(self.size)) for name in ("world", "second")}
        path = str(Path(os.environ["TMPDIR"], "barrier"))
        if self.rank == 0:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path + ".new")
            listener.listen(4096)
            Path(path + ".new").rename(path)
            threading.Thread(target=serve, args=(listener, self.size), daemon=True).start()
        self.line = self._connect(path)

    def _connect(self, path: str) -> socket.socket:
        deadline = time.monotonic() + CONNECT_S
        while True:
            line = socket.socket(socket.AF_UNIX)
            try:
                line.connect(path)
                return line
            except OSError:
                line.close()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def barrier(self, name: str) -> None:
        """All ranks meet."""
        with self._inside(self.comms[name]):
            self.line.sendall(name[:1].encode())
            self.line.recv(1)

    @contextmanager
    def _inside(self, comm: Comm) -> Iterator[None]:
        with self.recorder.collective(comm, "barrier"):
            yield


def main(program: str) -> None:
    """A start-up of a few rounds; in the program `deadlock` the last rank has too few blocks for the last of them."""
    rank = Rank()
    blocks = 24 if program == "deadlock" and rank.rank == rank.size - 1 else 96
    with rank.recorder.phase("capture"):
        for number in range(ROUNDS):
            needed = 8 * (number + 1)
            runs = needed <= max(blocks, 80 * (number < ROUNDS - 1))
            detail = f"free_blocks={blocks} needed_blocks={needed}"
            rank.recorder.decision("capture.request", f"bs={number}", "run" if runs else "none", detail, not runs)
            if runs:
                rank.barrier("second")
            rank.recorder.milestone(f"bs={number}")
    rank.barrier("world")
    rank.recorder.returned()
    rank.recorder.park()


if __name__ == "__main__":
    main(sys.argv[1])
