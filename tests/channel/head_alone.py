"""A head in a process of its own, with few open files, for attacks from outside: `python -m tests.channel.head_alone FILES`.

It prints where it is with its keys, then each message; every round it opens a file, as a watchdog does all the time.
"""

from __future__ import annotations

import json
import os
import resource
import sys

from lockstep.harness.channel.to_watchdog import Bye
from lockstep.harness.channel.watchdog_end import Head


def main(files: str) -> None:
    """Until a supervisor says bye."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), int(files)))
    with Head(1) as head:
        keys = {"server_key": head.server_key, "client_public": head.client_public, "client_secret": head.client_secret}
        print(json.dumps({"endpoint": head.endpoint, **keys}), flush=True)
        while True:
            for rank, message in head.receive(20):
                print(rank, type(message).__name__, flush=True)
                if isinstance(message, Bye):
                    print("closed", head.closed(), flush=True)
                    return
            os.close(os.open("/dev/null", os.O_RDONLY))


if __name__ == "__main__":
    main(*sys.argv[1:])
