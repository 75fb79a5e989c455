"""No MPI: this host's own processes, each told its number by `local`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lockstep.harness.interpreter import python_module
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.rank_map import RankMap

NAME = "none"


@dataclass(frozen=True, slots=True)
class NoMpi(Launcher):
    """Copies of a command, here only."""

    program: str = sys.executable
    version: str = ""
    name: str = NAME

    def command(self, rank_map: RankMap, argv: list[str], folder: Path, environment: Iterable[str] = ()) -> list[str]:
        """A process of ours starts them."""
        return [self.program, *python_module("lockstep.harness.launch.local")[1:], str(rank_map.ranks), *argv]

    def end(self, name: str) -> None:
        """That process ends them when it is ended."""
