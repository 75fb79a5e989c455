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

RAYLET = "raylet"  # so its process is called that starts all workers of a host
MARK = ".ray-get-"  # behind the socket's name, before a process's number; attach/ray_gets has it too
WORKER = b"ray::"  # so begins the command line of a worker, and goes on with what it runs
NOTHING = (b"ray::IDLE", b"ray::DashboardAgent", b"ray::RuntimeEnvAgent")  # ... of the program's
KEPT_S = 5.0  # who has just become idle may have given an answer over which its driver does something


@dataclass(slots=True)
class RayWorkers:
    """Follows them. Times are of one monotonic clock; `mark`: how the names of files begin that drivers leave."""

    mark: str
    _busy_s: dict[int, float] = field(default_factory=dict)  # when each was last seen to run something

    def acting(self, below: Collection[int], recorded: Collection[int], now_s: float) -> set[int]:
        """Those without a recorder that may act: they run something, or did a moment ago, whether they live or not.

        None where there is no raylet, or nothing that they could act on.
        """
        if not recorded or not any(name_of(pid) == RAYLET for pid in below):
            return set()
        self._busy_s |= {pid: now_s for pid in below if pid not in recorded and _runs_something(pid)}
        self._busy_s = {pid: seen_s for pid, seen_s in self._busy_s.items() if now_s - seen_s < KEPT_S}
        return set(self._busy_s)

    def waiting(self, pids: Collection[int]) -> set[int]:
        """The drivers that wait in `ray.get` without a limit, and have no thread that could do anything meanwhile."""
        return {pid for pid in pids if Path(f"{self.mark}{pid}").exists()}


def _runs_something(pid: int) -> bool:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
        return words.startswith(WORKER) and not words.startswith(NOTHING)
    return False
