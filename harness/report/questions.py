"""What is asked of a case that goes on, through files: who waits where, as its watchdog answers it."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockstep.harness.channel.identity import machine
from lockstep.harness.report import files
from lockstep.harness.watchdog.peek_folder import ANSWER, FOLDER, REQUEST, WATCHDOG, is_gone


def in_flight(run: Path) -> list[Path]:
    """The folders of cases whose watchdog answers; one that was killed on this host is left out."""
    own = machine()
    found = sorted(run.glob(f"cases/*/{FOLDER}/{WATCHDOG}"))
    own_folders = (path for path in found if not any(one.is_symlink() for one in list(path.parents)[:3]))
    return [path.parents[1] for path in own_folders if not is_gone(read_object(path), own)]


@dataclass(slots=True)
class Question:
    """One case that is asked. `over`: it was answered, or there is nobody any more who could."""

    case: Path
    name: str
    about: str  # whom to look for when no answer comes
    over: bool = False

    @staticmethod
    def put(case: Path) -> Question:
        """Ask it."""
        told = read_object(case / FOLDER / WATCHDOG)
        name = f"{time.strftime('%H%M%S')}-{secrets.token_hex(3)}"
        with contextlib.suppress(OSError):  # it has just ended, as `answer` will tell
            (case / FOLDER / f"{name}{REQUEST}").write_text(f"{os.uname().nodename}\n")
        return Question(case, name, f"its watchdog is process {told.get('pid', '?')} on {told.get('host', '?')}")

    def answer(self) -> dict[str, Any] | None:
        """What has come; or, of a case that has ended meanwhile, its verdict."""
        answer = read_object(self.case / FOLDER / self.name / ANSWER)
        if answer:
            self.over = True
            return {**answer, "folder": str(self.case / FOLDER / self.name)}
        verdict = read_object(self.case / "verdict.json")
        if verdict or not (self.case / FOLDER / WATCHDOG).exists():
            self.over = True
            self.withdraw()
            return {"case": self.case.name, "ended": verdict.get("outcome", ""), "text": verdict.get("text", "")}
        return None

    def withdraw(self) -> None:
        """Nobody waits for the answer any more."""
        with contextlib.suppress(OSError):
            (self.case / FOLDER / f"{self.name}{REQUEST}").unlink(missing_ok=True)

    def forget(self) -> None:
        """Nobody wants its answer any more either: nothing of it stays."""
        self.withdraw()
        shutil.rmtree(self.case / FOLDER / self.name, ignore_errors=True)


def read_object(path: Path) -> dict[str, Any]:
    """What a file says; nothing where there is none, or none yet."""
    with contextlib.suppress(OSError, ValueError):
        return files.read_object(path)
    return {}
