"""A cache of what a rank has found out: in memory, and in a file that an earlier launch has left."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True)
class JsonCache:
    """A mapping that may be kept in a file. `path` None: in memory only. `writes`: whether this rank may write the file."""

    path: Path | None
    writes: bool
    entries: dict[str, int]

    @staticmethod
    def open(folder: str, name: str, kept: str, rank: int) -> JsonCache:
        """`kept`: memory, rank-file (each rank its own) or first-rank-file (rank 0 writes, all read)."""
        if kept == "memory":
            return JsonCache(None, False, {})
        owner = rank if kept == "rank-file" else 0
        path = Path(folder) / f"{name}-rank-{owner}.json"
        entries = json.loads(path.read_text()) if path.exists() else {}
        return JsonCache(path, rank == owner, entries)

    def save(self) -> None:
        """Write the file, whole or not at all."""
        if self.path is None or not self.writes:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(self.entries))
        fresh.replace(self.path)
