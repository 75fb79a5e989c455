"""A stand-in for a GPU where there is none: a thread that keeps a rank's breadcrumbs as a stream would.

It runs the collectives of one communicator in order and meets its peers through files in a folder that all ranks share.
"""

from __future__ import annotations

import queue
import threading
import time
from pathlib import Path

from lockstep.harness.trace import Recorder
from lockstep.harness.trace.breadcrumb import enter, leave
from lockstep.harness.trace.handles import Comm, Manifest


class SimulatedDevice:
    """One rank's device with one stream. `delay_s`: what it takes before each collective."""

    def __init__(self, recorder: Recorder, rank: int, size: int, folder: Path, delay_s: float = 0.0) -> None:
        self.recorder, self.rank, self.size, self.folder, self.delay_s = recorder, rank, size, folder, delay_s
        self.comm: Comm = recorder.comm("simulated", "ep", range(size), device="compute")
        self.graph: Manifest = recorder.manifest(
            "rows=8", [(self.comm, f"all_to_all dispatch layer={n}", -1) for n in (0, 1)]
        )
        self._words = recorder.breadcrumbs().cast("Q")
        self._work: queue.Queue[str] = queue.Queue()
        self._number = 0
        # Not a thread of the program: it writes no events.
        threading.Thread(target=self._stream, daemon=True).start()

    def replay(self) -> None:
        """Hand the graph to the stream."""
        self.recorder.replay(self.graph)
        for layer in (0, 1):
            self._work.put(f"all_to_all dispatch layer={layer}")

    def synchronize(self) -> None:
        """Wait for the stream."""
        with self.recorder.synchronize():
            self._work.join()

    def _stream(self) -> None:
        while True:
            op = self._work.get()
            time.sleep(self.delay_s)
            site = self.recorder.string(op)
            self._number += 1
            self._words[self.comm.id] += enter(site)
            (self.folder / f"{self._number}-{self.rank}").touch()
            while len(list(self.folder.glob(f"{self._number}-*"))) < self.size:
                time.sleep(0.01)
            self._words[self.comm.id] += leave(site)
            self._work.task_done()
