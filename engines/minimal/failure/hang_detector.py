"""The hang detector: a thread that fires when the executor has not come round for a while, as upstream's (#15612)."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lockstep.harness.trace import Recorder


@dataclass(slots=True)
class HangDetector:
    """`seconds` without a checkpoint, then `on_detected`. Without seconds it does nothing.

    While its thread watches, the rank counts as running: it may still do something about its own waits.
    """

    seconds: float | None
    on_detected: Callable[[], None]
    recorder: Recorder
    _last: float = 0.0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _over: bool = False
    _fired: bool = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch the executor's loop."""
        if self.seconds is None:
            yield
            return
        announced = threading.Event()
        thread = threading.Thread(target=self._watch, args=(self.seconds, announced), name="hang detector", daemon=True)
        self.checkpoint()
        thread.start()
        announced.wait()
        try:
            yield
        finally:
            with self._changed:
                self._over = True
                self._changed.notify()
            if not self._fired:  # else it may wait for ranks that never come
                thread.join()

    def checkpoint(self) -> None:
        """The executor has come round."""
        self._last = time.monotonic()

    def _watch(self, seconds: float, announced: threading.Event) -> None:
        with self.recorder.waiter():
            announced.set()
            with self._changed:
                while not self._over and (left := self._last + seconds - time.monotonic()) > 0:
                    self._changed.wait(left)
                self._fired = not self._over
            if self._fired:
                print(f"hang detected: no executor iteration for {seconds:g} s", file=sys.stderr, flush=True)
                self.on_detected()
