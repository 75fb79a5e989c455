"""What a case leaves on disk while it runs: each rank's output and events, appended as they come, and its stacks."""

from __future__ import annotations

from pathlib import Path
from typing import IO, Any

from harness.trace.log import EventLogWriter


class CaseFiles:
    """The growing files of one case, in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._logs: dict[int, IO[bytes]] = {}
        self._events: dict[int, EventLogWriter] = {}

    def output(self, rank: int, data: bytes) -> None:
        """Append what a rank printed."""
        if rank not in self._logs:
            self._logs[rank] = (self.folder / f"rank-{rank}.log").open("wb", buffering=0)
        self._logs[rank].write(data)

    def delta(self, rank: int, world: int, message: dict[str, Any]) -> None:
        """Append a rank's new events."""
        if rank not in self._events:
            path = self.folder / f"rank-{rank}.events"
            self._events[rank] = EventLogWriter(path, rank=rank, world=world, clock_offset_ns=message["clock"])
        self._events[rank].append(message["records"], tuple(message["strings"]), message["lost"])

    def stacks(self, rank: int, text: str, error: str) -> None:
        """Write a rank's stacks, or why there are none."""
        folder = self.folder / "stacks"
        folder.mkdir(exist_ok=True)
        (folder / f"rank-{rank}.txt").write_text(text + (f"\n[{error}]\n" if error else ""))

    def dump(self, name: str, data: bytes) -> None:
        """Write what another tool gave. The name is one of ours; a path in it is refused."""
        if Path(name).name != name:
            raise ValueError(f"{name!r} is no file name")
        (self.folder / name).write_bytes(data)

    def close(self) -> None:
        """Close them all."""
        for log in self._logs.values():
            log.close()
        for events in self._events.values():
            events.close()
