"""Tells that a driver of Ray waits in `ray.get` without a limit of time, and has no thread that could do anything meanwhile.

A driver stands above its actors, and could end one that has waited for long: whoever looks from outside sees Ray's threads
wake there all the time, and not that the program's own code comes to nothing before an actor has answered.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
from functools import wraps
from pathlib import Path
from typing import Any

from lockstep.harness.environment import ATTACH

MARK = ".ray-get-"  # behind the supervisor's socket's name, before a process's number; supervisor/ray_workers has it too
_calls = itertools.count()  # which tell one wait from the next
# Ray's own in a driver: they collect garbage and print what actors print.
RAYS_OWN = ("PythonGCThread", "ray_listen_error_messages", "ray_print_logs", "ray_print_logs_thread")


def wrap(module: Any) -> None:
    """Have `ray.get` leave a file while it waits; `ray` takes it from this module of its own."""
    address = os.environ.get(ATTACH)
    if address:
        module.get = _telling(module.get, module, address)


def _telling(original: Any, module: Any, address: str) -> Any:
    @wraps(original)
    def get(*arguments: Any, **named: Any) -> Any:
        if named.get("timeout") is not None or not _alone(module):
            return original(*arguments, **named)
        mark = Path(f"{address}{MARK}{os.getpid()}")
        with contextlib.suppress(OSError):  # the supervisor is gone
            mark.touch(0o600)
            mark.write_text(str(next(_calls)))
        try:
            return original(*arguments, **named)
        finally:
            with contextlib.suppress(OSError):
                mark.unlink()

    return get


def _alone(module: Any) -> bool:
    """Whether this is a driver's main thread, beside which there is no other of the program, nor an alarm or a handler.

    What Ray itself does at SIGTERM is no act of the program.
    """
    worker = module.global_worker
    if threading.current_thread() is not threading.main_thread() or worker.mode != module.SCRIPT_MODE:
        return False
    if any(one.name not in RAYS_OWN for one in threading.enumerate() if one is not threading.main_thread()):
        return False
    own = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler, None)
    handled = [number for number in signal.valid_signals() if signal.getsignal(number) not in own]
    return set(handled) <= {signal.SIGTERM} and not any(signal.getitimer(signal.ITIMER_REAL))
