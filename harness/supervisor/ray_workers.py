"""What is known of Ray's processes: which of its workers run what nobody sees, and which drivers wait for nobody but them.

Its raylet starts and ends workers as drivers and actors ask, or when memory is short, and looks at no wait. Who has a handle
of an actor may end it: a driver, or any other actor or task.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from lockstep.harness.host.proc import name_of
from lockstep.harness.host.process_tree import ancestors

RAYLET = "raylet"  # so its process is called that starts all workers of a host
MARK = ".ray-get-"  # behind the socket's name, before a process's number; attach/ray_gets has it too
WORKER = b"ray::"  # so begins the command line of a worker, and goes on with what it runs
LIBRARY = b"/_raylet.so"  # who has loaded it is a worker, a driver, or one of Ray's own services
SERVICES = b"-packages/ray/"  # in the command lines of the latter
NOTHING = (b"ray::IDLE", b"ray::DashboardAgent", b"ray::RuntimeEnvAgent")  # ... of the program's
KEPT_S = 5.0  # who has just become idle may have given an answer over which its driver does something


@dataclass(slots=True)
class RayWorkers:
    """Follows them. Times are of one monotonic clock; `mark`: how the names of files begin that drivers leave."""

    mark: str
    _busy_s: dict[int, float] = field(default_factory=dict)  # when each was last seen to run something
    _marks: dict[int, tuple[str, float]] = field(default_factory=dict)  # of drivers: which call, and when it was first seen

    def acting(self, below: Collection[int], recorded: Collection[int], waiting: Collection[int], now_s: float) -> set[int]:
        """Those that may act: they run something, or did a moment ago, whether they live or not; drivers that do not wait.

        Ranks are among them: whoever asks leaves out those that he asks about. None where there is no raylet, or nothing
        that they could act on.
        """
        if not recorded or not any(name_of(pid) == RAYLET for pid in below):
            return set()
        self._busy_s |= {pid: now_s for pid in below if _runs_something(pid) or (pid not in waiting and _drives(pid))}
        self._busy_s = {pid: seen_s for pid, seen_s in self._busy_s.items() if now_s - seen_s < KEPT_S}
        return set(self._busy_s)

    def waiting(self, pids: Collection[int], now_s: float) -> set[int]:
        """The drivers that have waited for long in one `ray.get` without a limit, and have no thread to do anything beside.

        One that asks its actors again and again how far they are decides between the answers.
        """
        marks = {pid: number for pid in pids if (number := _number(Path(f"{self.mark}{pid}"))) is not None}
        known, self._marks = self._marks, {}
        for pid, number in marks.items():
            before = known.get(pid)
            self._marks[pid] = before if before is not None and before[0] == number else (number, now_s)
        return {pid for pid, (_, seen_s) in self._marks.items() if now_s - seen_s >= KEPT_S}


def _runs_something(pid: int) -> bool:
    """Of a worker: also of one that has given itself another title than Ray's."""
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        if words.startswith(NOTHING) or SERVICES in words:
            return False
        return words.startswith(WORKER) or any(name_of(one) == RAYLET for one in ancestors(pid))
    return False


def _drives(pid: int) -> bool:
    with contextlib.suppress(OSError):
        if SERVICES in Path(f"/proc/{pid}/cmdline").read_bytes():
            return False
        return LIBRARY in Path(f"/proc/{pid}/maps").read_bytes()
    return False


def _number(path: Path) -> str | None:
    """The number of the call that has left a file; None where there is none."""
    with contextlib.suppress(OSError):
        return path.read_text()
    return None
