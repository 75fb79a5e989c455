"""The process around a build command: `python -m lockstep.harness.bisect.builder COMMAND`. Standard library only.

It ends the command and everything that the command started, when the command ends, and when the process that holds the
other end of its standard input is gone, however that died.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

from lockstep.harness.host import process_tree, spawning

POLL_S = 0.05


def main(command: str) -> int:
    """Run the command; its exit code, or 128 + the signal that ended it."""
    spawning.adopt_orphans()
    # The head ends a build by closing our input; a terminal's Ctrl-C is not for us.
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    child = subprocess.Popen(
        ["sh", "-c", command],
        stdin=subprocess.DEVNULL,
        preexec_fn=_hear_signals,
        start_new_session=True,
    )
    try:
        while child.poll() is None:
            if select.select([sys.stdin], [], [], POLL_S)[0]:  # closed: the head is gone, or wants an end
                return 128 + signal.SIGTERM
    finally:
        process_tree.end_tree(child.pid) if child.poll() is None else None
        process_tree.end_all(process_tree.descendants(os.getpid()))
        child.wait()
    return child.returncode if child.returncode >= 0 else 128 - child.returncode


def _hear_signals() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
