"""Sweeps a host: ends what a case whose supervisors are gone has left there. `python -m harness.watch.sweep`, by a launcher.

What is to be swept comes by the environment, since it is a secret: see `ORDER`. What was found is printed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

from harness.watch import process
from harness.watch.node_folder import PREFIX, folder_name
from harness.watch.plan import TOKEN

ORDER = "LOCKSTEP_SWEEP"  # JSON: token; folder: that of the job; files: by machine; state: the name of a folder, or ""
MARK = "lockstep sweep: "  # what a launcher prints beside it is its own
GRACE_S = 3.0


def sweep(token: str, folder: str, files: list[str], state: str) -> dict[str, list[str]]:
    """End what carries the token, remove the case's folders and its shared memory. What was there: `processes`, as texts."""
    found = {pid: process.command_line(pid) for pid in process.with_variable(TOKEN, token)}
    left = list(found)
    while left:
        process.end_all(left)
        if process.wait_until(lambda: not process.with_variable(TOKEN, token), GRACE_S):
            break
        new = [pid for pid in process.with_variable(TOKEN, token) if pid not in found]
        found |= {pid: process.command_line(pid) for pid in new}
        left = new  # one that does not die of SIGKILL is told, and left
    process.remove_files(process.unmapped(set(files)))
    for parent in {Path(folder).parent, Path(tempfile.gettempdir())}:
        for name in (folder_name(folder), state):
            if name.startswith(PREFIX):
                shutil.rmtree(parent / name, ignore_errors=True)
    return {"processes": [f"{pid} ({text})" for pid, text in found.items()]}


def main() -> None:
    """Sweep as the environment says, and print what was found."""
    from harness.watch.identity import machine

    order = json.loads(os.environ[ORDER])
    print(
        MARK + json.dumps(sweep(order["token"], order["folder"], order["files"].get(machine(), []), order["state"])),
        flush=True,
    )


if __name__ == "__main__":
    main()
