"""Sweeps a host: ends what a case whose supervisors are gone has left there.

Started by a launcher: `python -m lockstep.harness.host.sweep`.
What is to be swept comes by the environment, since it is a secret: see `SWEEP`. What was found is printed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from pathlib import Path

from lockstep.harness.environment import SWEEP, TOKEN
from lockstep.harness.host import proc, process_tree, shared_memory
from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.shared_folder import PREFIX, folder_name

# JSON: token; folder: of the job; files: by machine; state: a folder's name, or ""; age_s: of the case.
MARK = "lockstep sweep: "  # what a launcher prints beside it is its own
GRACE_S = 3.0


def sweep(token: str, folder: str, files: list[str], state: str, age_s: float) -> dict[str, list[str]]:
    """End what carries the token, remove the case's folders and its shared memory. What was there: `processes`, as texts."""
    found = {pid: proc.command_line(pid) for pid in proc.with_variable(TOKEN, token)}
    left = list(found)
    while left:
        process_tree.end_all(left)
        if wait_until(lambda: not proc.with_variable(TOKEN, token), GRACE_S):
            break
        new = [pid for pid in proc.with_variable(TOKEN, token) if pid not in found]
        found |= {pid: proc.command_line(pid) for pid in new}
        left = new  # one that does not die of SIGKILL is told, and left
    # Ranks may have been killed before anybody was told of what they had made.
    shared_memory.remove_files(shared_memory.abandoned({*files, *_made_within(age_s)}))
    for parent in {Path(folder).parent, Path(tempfile.gettempdir())}:
        for name in (folder_name(folder), state):
            if name.startswith(PREFIX):
                shutil.rmtree(parent / name, ignore_errors=True)
    return {"processes": [f"{pid} ({text})" for pid, text in found.items()]}


def _made_within(age_s: float) -> set[str]:
    """The shared memory of MPI libraries on this host that this user has made since then."""
    found: set[str] = set()
    for path in shared_memory.made_by_mpi():
        with contextlib.suppress(OSError):
            if time.time() - Path(path).stat().st_ctime < age_s:
                found.add(path)
    return found


def main() -> None:
    """Sweep as the environment says, and print what was found."""
    from lockstep.harness.channel.identity import machine

    order = json.loads(os.environ[SWEEP])
    files = order["files"].get(machine(), [])
    told = sweep(order["token"], order["folder"], files, order["state"], order["age_s"])
    print(MARK + json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
