"""The folder of a case as its page reads it: verdict, case, and the ends of what ranks printed. Nothing is read whole
that may be large."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.regular_file import read_end
from lockstep.harness.report.files import read_object

VERDICT = "verdict.json"
SITUATION = "waits.json"
LOG_BYTES = 8192  # of the end of a log
STACK_BYTES = 1 << 18
LINES, COLUMNS = 15, 400  # of the end of a log
MOST = 8  # logs
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|.)")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Log:
    """The last lines of a file of the folder."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CaseFolder:
    """A judged case. `raw`: its verdict file, with what the run adds to the verdict; `case`: its case.json."""

    path: Path
    verdict: Verdict
    raw: Mapping[str, Any]
    case: Mapping[str, Any]

    @property
    def blamed(self) -> tuple[int, ...]:
        """The blamed ranks."""
        return self.verdict.blame.ranks if self.verdict.blame else ()

    def stack(self, name: str) -> str:
        """The stacks of a process; empty where there are none."""
        return _end(self.path / "stacks" / f"{name}.txt", STACK_BYTES)

    def evidence(self) -> list[str]:
        """The files that its verdict names, as far as they are below its folder: a page leads nowhere else."""
        found = self.raw.get("evidence")
        return [str(name) for name in found if _is_below(self.path, str(name))] if isinstance(found, list) else []

    def situation(self) -> Sequence[Mapping[str, Any]]:
        """The ranks as they stood, where no knot tells; none where no such file says it."""
        try:
            ranks = read_object(self.path / SITUATION).get("ranks")
        except (OSError, ValueError):
            return []
        return [one for one in ranks if isinstance(one, dict)] if isinstance(ranks, list) else []

    def stacks(self) -> list[str]:
        """Of which processes there are stacks: `rank-0`, `process-4711`; ranks in their order."""
        stacks = self.path / "stacks"
        found = (path.stem for path in stacks.glob("*-*.txt") if path.stem != "left-out" and not stacks.is_symlink())
        return sorted(found, key=lambda name: (not name.startswith("rank-"), number(name), name))

    def logs(self) -> tuple[list[Log], int]:
        """The ends of what was printed, of blamed ranks first, and how many more files there are."""
        names = [path.name for path in self.path.glob("*") if re.search(r"\.(?:log|stdout|stderr)$", path.name)]
        own = {f"rank-{rank}.log" for rank in self.blamed}
        names.sort(key=lambda name: (name not in own, name == "launcher.log", number(name), name))
        found = [Log(name, lines) for name in names[: MOST * 2] if (lines := last_lines(self.path / name))]
        return found[:MOST], max(0, len(names) - MOST * 2) + len(found[MOST:])


def read(path: Path) -> CaseFolder:
    """Of a case that was judged. Raises ValueError, OSError, LookupError or TypeError where the files are no such."""
    raw = read_object(path / VERDICT)
    case = read_object(path / "case.json") if os.path.lexists(path / "case.json") else {}
    return CaseFolder(path, Verdict.from_json(dict(raw)), raw, case)


def last_lines(path: Path) -> tuple[str, ...]:
    """The last lines of a text, as a person would see them on a terminal."""
    text = _CONTROLS.sub("", _ESCAPES.sub("", _end(path, LOG_BYTES).replace("\r\n", "\n").replace("\r", "\n")))
    lines = [line if len(line) <= COLUMNS else f"{line[:COLUMNS]} ..." for line in text.splitlines() if line.strip()]
    return tuple(lines[-LINES:])


def number(name: str) -> int:
    """The number in a file's name; -1 without one."""
    found = re.search(r"-(\d+)", name)
    return int(found[1]) if found else -1


def _end(path: Path, size: int) -> str:
    """The last bytes of a file; nothing where there is none, or something else in its place."""
    try:
        return read_end(path, size).decode("utf-8", "replace")
    except OSError:
        return ""


def _is_below(folder: Path, name: str) -> bool:
    """Whether a name leads from a folder to what lies below it, whatever links are there."""
    if not name or "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        return False
    try:
        return (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False


def listed(values: Sequence[str], most: int) -> tuple[list[str], int]:
    """The first of them, and how many more there are."""
    return list(values[:most]), max(0, len(values) - most)
