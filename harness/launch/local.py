"""Starts N copies of a command without MPI, each told its number: `python -m lockstep.harness.launch.local N COMMAND...`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from lockstep.harness.environment import INDEX


def main(count: str, *argv: str) -> int:
    """Start them, and wait for all. A signal that ends this process ends them."""
    if int(count) == 1:
        os.environ[INDEX] = "0"
        os.execvp(argv[0], argv)
    children = [subprocess.Popen(argv, env={**os.environ, INDEX: str(number)}) for number in range(int(count))]

    def stop(signum: int, frame: object) -> None:
        for child in children:
            child.send_signal(signal.SIGTERM)

    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, stop)
    return max(child.wait() for child in children)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
