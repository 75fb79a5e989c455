"""Waiting for something to be so, by looking again and again."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(done: Callable[[], bool], timeout_s: float, step_s: float = 0.02) -> bool:
    """Poll until `done()`; False when it is still not so after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(step_s)
    return True
