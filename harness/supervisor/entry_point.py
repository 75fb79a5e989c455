"""The entry point of a supervisor's process: it makes its supervisor, runs it, and ends what that started, whatever comes.

Standard library only: it is on the path to the engine's start.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import NoReturn

from lockstep.harness.environment import TMPDIR
from lockstep.harness.supervisor.base import SupervisorBase


def serve(kind: Callable[[dict[str, str]], SupervisorBase], leave: Callable[[int], NoReturn] = os._exit) -> NoReturn:
    """Make one, run it, and end what it started whatever happens to this process. `leave`: ends this process.

    The launcher sees success whatever the engine did: a verdict is read from its file, never from an exit status.
    """
    supervisors: list[SupervisorBase] = []
    early: list[int] = []  # signals that came while it was being made

    def stop(signum: int, frame: object) -> None:
        if not supervisors:
            early.append(signum)
            return
        signal.signal(signum, signal.SIG_IGN)
        if log := supervisors[0].log:
            log.supervisor.warning("signal %d; ending what it started", signum)
        supervisors[0].abandon()
        leave(128 + signum)

    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, stop)
    if TMPDIR in os.environ:
        os.environ["TMPDIR"] = os.environ.pop(TMPDIR)
    supervisors.append(kind(dict(os.environ)))
    if early:
        stop(early[0], None)
    try:
        supervisors[0].run()
    finally:
        supervisors[0].end()
    leave(0)
