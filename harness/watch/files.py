"""What a case leaves on disk while it runs: each rank's output and events, appended as they come, and its stacks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from harness.trace.log import EventLogWriter
from harness.watch.plan import STATE_FOLDER


class CaseFiles:
    """The growing files of one case, in its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._logs: dict[int, IO[bytes]] = {}
        self._events: dict[int, EventLogWriter] = {}
        self._outputs: dict[tuple[int, str], IO[bytes]] = {}

    def output(self, rank: int, data: bytes) -> None:
        """Append what a rank printed."""
        if rank not in self._logs:
            self._logs[rank] = (self.folder / f"rank-{rank}.log").open("wb", buffering=0)
        self._logs[rank].write(data)

    def delta(self, rank: int, world: int, clock_ns: int, message: dict[str, Any]) -> None:
        """Append a rank's new events. `clock_ns`: what makes their times those of a wall clock."""
        if rank not in self._events:
            path = self.folder / f"rank-{rank}.events"
            self._events[rank] = EventLogWriter(path, rank=rank, world=world, clock_offset_ns=clock_ns)
        self._events[rank].append(message["records"], tuple(message["strings"]), message["lost"])

    def clock(self, rank: int, clock_ns: int) -> None:
        """Correct what was said of a rank's clock when its log was begun."""
        if rank in self._events:
            self._events[rank].clock(clock_ns)

    def program_output(self, index: int, stream: str, data: bytes) -> None:
        """Append what a launched command and all below it printed."""
        key = (index, stream)
        if key not in self._outputs:
            self._outputs[key] = (self.folder / f"command-{index}.{stream}").open("wb", buffering=0)
        self._outputs[key].write(data)

    def events(self, rank: int, world: int, clock_ns: int, records: bytes, strings: Sequence[str], lost: int) -> None:
        """Write all events of a rank at once."""
        with EventLogWriter(self.folder / f"rank-{rank}.events", rank=rank, world=world, clock_offset_ns=clock_ns) as log:
            log.append(records, tuple(strings), lost)

    def stacks(self, rank: int, text: str, error: str) -> None:
        """Write a rank's stacks, or why there are none."""
        self.stacks_of(f"rank-{rank}", text, error)

    def stacks_of(self, name: str, text: str, error: str) -> None:
        """Write the stacks of a process, or why there are none."""
        folder = self.folder / "stacks"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.txt").write_text(text + (f"\n[{error}]\n" if error else ""))

    def state(self, host: str, path: str, data: bytes) -> None:
        """Write a file that ranks of another host left for the next launch. A path that leads elsewhere is refused."""
        root = (self.folder / STATE_FOLDER / host).resolve()
        place = (root / path).resolve()
        if not place.is_relative_to(root) or "/" in host:
            raise ValueError(f"{path!r} of {host!r} leads out of the case's folder")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    def dump(self, name: str, data: bytes) -> None:
        """Write what another tool gave. The name is one of ours; a path in it is refused."""
        if Path(name).name != name:
            raise ValueError(f"{name!r} is no file name")
        (self.folder / name).write_bytes(data)

    def close(self) -> None:
        """Close them all."""
        for log in (*self._logs.values(), *self._outputs.values()):
            log.close()
        for events in self._events.values():
            events.close()
