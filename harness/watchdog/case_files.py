"""What a case leaves on disk while it runs: each rank's output and events, appended as they come, and its stacks."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from lockstep.harness.channel.bootstrap import STATE_FOLDER
from lockstep.harness.channel.logs import supervisor_log_name
from lockstep.harness.channel.to_watchdog import OUTPUT, Delta
from lockstep.harness.trace.log import EventLogWriter

END_BYTES = 4096  # of what a rank or a command printed


class CaseFiles:
    """The growing files of one case, in its folder. At most `most_open` are open together, those that grew last."""

    def __init__(self, folder: Path, most_open: int = 512) -> None:
        self.folder = folder
        self.most_open = most_open
        self._open: dict[str, IO[bytes] | EventLogWriter] = {}  # by name, the one that grew last at the end
        self._begun: set[str] = set()

    def output(self, number: int, stream: str, data: bytes) -> None:
        """Append what a rank printed, or (`stdout`, `stderr`) a launched command and all below it."""
        self._append(f"rank-{number}.log" if stream == OUTPUT else f"command-{number}.{stream}", data)

    def delta(self, rank: int, world: int, clock_ns: int, delta: Delta) -> None:
        """Append a rank's new events. `clock_ns`: what makes their times those of a wall clock."""
        log = self._log(rank, world, clock_ns)
        log.append(delta.records, delta.strings, delta.lost)

    def clock(self, rank: int, clock_ns: int) -> None:
        """Correct what was said of a rank's clock when its log was begun."""
        if f"rank-{rank}.events" in self._begun:
            self._log(rank, 0, clock_ns).clock(clock_ns)

    def _log(self, rank: int, world: int, clock_ns: int) -> EventLogWriter:
        name = f"rank-{rank}.events"
        log = self._open.pop(name, None)
        if not isinstance(log, EventLogWriter):
            path, resume = self.folder / name, name in self._begun
            log = EventLogWriter(path, rank=rank, world=world, clock_offset_ns=clock_ns, resume=resume)
        self._keep(name, log)
        return log

    def supervisor_log(self, number: int, text: str) -> None:
        """Append to the log of a supervisor that cannot write here itself."""
        self._append(supervisor_log_name(number), text.encode(errors="replace"))

    def _append(self, name: str, data: bytes) -> None:
        file = self._open.pop(name, None)
        if file is None or isinstance(file, EventLogWriter):
            file = (self.folder / name).open("ab" if name in self._begun else "wb", buffering=0)
        self._keep(name, file)
        file.write(data)

    def _keep(self, name: str, file: IO[bytes] | EventLogWriter) -> None:
        """As the one that grew last."""
        self._begun.add(name)
        self._open[name] = file
        while len(self._open) > self.most_open:
            self._open.pop(next(iter(self._open))).close()

    def events(self, rank: int, world: int, clock_ns: int, records: bytes, strings: Sequence[str], lost: int) -> None:
        """Write all events of a rank at once."""
        with EventLogWriter(self.folder / f"rank-{rank}.events", rank=rank, world=world, clock_offset_ns=clock_ns) as log:
            log.append(records, tuple(strings), lost)

    def stacks(self, name: str, text: str, error: str) -> None:
        """Write the stacks of a process, or why there are none."""
        folder = self.folder / "stacks"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.txt").write_text(text + (f"\n[{error}]\n" if error else ""))

    def stacks_left_out(self, text: str) -> None:
        """Write whose stacks were not taken; nothing when all were."""
        if text:
            folder = self.folder / "stacks"
            folder.mkdir(exist_ok=True)
            (folder / "left-out.txt").write_text(text)

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
        for file in self._open.values():
            file.close()
        self._open.clear()


def end_of_output(folder: Path, index: int) -> str:
    """The last that an engine's rank printed, or a command: to stderr, or else to stdout."""
    for name in (f"rank-{index}.log", f"command-{index}.stderr", f"command-{index}.stdout"):
        path = folder / name
        with contextlib.suppress(OSError), path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - END_BYTES))
            if text := file.read().decode(errors="replace").strip():
                return text
    return ""
