"""A rank that writes down how it finds itself, and then does one thing: `python -m tests.supervisor.told FOLDER DEED`."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

KNOWN = "numpy.random" in sys.modules  # before it imports anything itself

from lockstep.harness.trace import Recorder  # noqa: E402


def found() -> dict[str, Any]:
    """All that a launcher, a supervisor or Python gives a process."""
    process = Path("/proc/self")
    status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
    shown = dict(pair.split("=", 1) for pair in (process / "environ").read_text().split("\0") if "=" in pair)
    limits = {name: resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT_")}
    return {
        "argv": sys.argv,
        "started as": sys.orig_argv,
        "shown as": (process / "cmdline").read_text().rstrip("\0").split("\0"),
        "name": (process / "comm").read_text(),
        "path": sys.path,
        "main": [sys.modules["__main__"].__name__, __name__, __file__],
        "folder": str(Path.cwd()),
        "environment": {name: os.environ[name] for name in os.environ if name not in ("TMPDIR", "HYDRA_TMPDIR")},
        "shown rank": shown["LOCKSTEP_RANK"],
        "token": shown["LOCKSTEP_TOKEN"] == os.environ["LOCKSTEP_TOKEN"],
        "signals": {name: status[name] for name in ("SigBlk", "SigIgn", "SigCgt")},
        "umask": status["Umask"],
        "leads": os.getsid(0) == os.getpid() == os.getpgid(0),
        "descriptors": {number: kind(number) for number in sorted(int(one.name) for one in Path("/proc/self/fd").iterdir())},
        "limits": limits,
        "cores": sorted(os.sched_getaffinity(0)),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "threads": len(list((process / "task").iterdir())),
    }


def kind(number: int) -> str:
    """What a descriptor is of."""
    try:
        return re.sub(r"[:#].*|(?<=lockstep-)\w+", "", str(Path(f"/proc/self/fd/{number}").readlink()))
    except OSError:
        return ""


def leak() -> None:
    """Leave as much as can be left behind in a process."""
    threading.Thread(target=time.sleep, args=(30.0,), daemon=True).start()
    os.chdir("/")
    os.environ["LEAKED"] = "1"
    os.umask(0o777)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(1)
    sys.path.append("/leaked")


def end(how: str) -> None:
    """End by an exit status, a signal, or an error that nobody catches."""
    if how.isdigit():
        os._exit(int(how))
    if how == "error":
        raise LookupError("nobody catches this")
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(30.0)


DEEDS: dict[str, Callable[[], None]] = {"leak": leak, "nothing": lambda: None}


def main(folder: str, deed: str) -> None:
    """Tell, and do it."""
    recorder = Recorder.attach()
    rank = os.environ["LOCKSTEP_RANK"]
    facts = {**found(), "known": KNOWN, "process": os.getpid(), "parent": os.getppid(), "random": random.random()}
    facts["numpy"] = float(sys.modules["numpy.random"].rand()) if KNOWN else -1.0
    Path(folder, f"rank-{rank}.json").write_text(json.dumps(facts))
    if deed == "wait":
        while not Path(folder, "go").exists():
            time.sleep(0.01)
    elif deed in DEEDS:
        DEEDS[deed]()
    else:
        end(deed)
    recorder.result({})
    recorder.returned()
    recorder.park()


if __name__ == "__main__":
    main(*sys.argv[1:])
