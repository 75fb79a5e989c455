"""Where `lockstep peek` asks and is answered: a folder below that of a case. Files only, so any host that has it will do.

`watchdog.json` is there while somebody looks for `NAME.request`; the answer is the folder NAME, whole when it has
`answer.json`. No signals, no ports: nothing of the program notices it.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lockstep.harness.host.proc import Stat

FOLDER, WATCHDOG, ANSWER, REQUEST = "peek", "watchdog.json", "answer.json", ".request"


class PeekFolder:
    """The watchdog's side. What goes wrong here costs nothing else: an answer is missing."""

    def __init__(self, case_folder: Path) -> None:
        self.path = case_folder / FOLDER

    def open(self, host: str, machine: str) -> None:
        """From now on requests are looked for."""
        shutil.rmtree(self.path, ignore_errors=True)  # of a run that was killed
        self.path.mkdir(exist_ok=True)  # where somebody asked while it was removed
        _write(self.path / WATCHDOG, {"host": host, "machine": machine, **_self()})

    def requests(self) -> list[str]:
        """The names of those that nobody has answered."""
        with contextlib.suppress(OSError):
            return sorted(path.name.removesuffix(REQUEST) for path in self.path.iterdir() if path.name.endswith(REQUEST))
        return []

    def answer(self, name: str, answer: Mapping[str, Any], stacks: Mapping[str, str]) -> None:
        """Answer one. Its last file is `answer.json`."""
        folder = self.path / name
        (folder / "stacks").mkdir(parents=True, exist_ok=True)
        for process, text in stacks.items():
            (folder / "stacks" / f"{process}.txt").write_text(text)
        (folder / "waits.txt").write_text(str(answer["text"]) + "\n")
        _write(folder / ANSWER, answer)
        (self.path / f"{name}{REQUEST}").unlink(missing_ok=True)

    def close(self) -> None:
        """Nobody looks any more."""
        (self.path / WATCHDOG).unlink(missing_ok=True)
        for name in self.requests():
            (self.path / f"{name}{REQUEST}").unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # answers are there
            self.path.rmdir()


def is_gone(watchdog: Mapping[str, Any], machine: str) -> bool:
    """Whether the process that looked there is one of this machine, and has ended without a word."""
    if watchdog.get("machine") != machine:
        return False
    with contextlib.suppress(OSError, ValueError):
        found = Stat.of(int(watchdog["pid"]))
        return found.ended or found.started != watchdog["started"]
    return True


def _self() -> dict[str, int]:
    return {"pid": os.getpid(), "started": Stat.of(os.getpid()).started}


def _write(path: Path, value: Mapping[str, Any]) -> None:
    """So that a reader finds the whole or nothing."""
    fresh = path.with_name(f".{path.name}")
    fresh.write_text(json.dumps(value, indent=1) + "\n")
    fresh.replace(path)
