"""What a launcher is: how N supervisors are started where a map of ranks says. One file each: hydra, prrte, srun, none.

Another one is a file beside these with a class like theirs, which is named in discovery.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from lockstep.harness.launch.rank_map import RankMap

ANYWHERE = "/"  # every host has it, and supervisors go on from there; launchers choose another where theirs is missing


class Launcher(Protocol):
    """A program that starts processes on hosts. What has a body here holds for most of them."""

    @property
    def name(self) -> str:
        """What `--launcher` calls it."""

    @property
    def program(self) -> str:
        """The file that is started."""

    @property
    def version(self) -> str:
        """What it says of itself, for reports."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables that it needs."""
        return {}

    @property
    def withheld(self) -> tuple[str, ...]:
        """How variables begin that neither it nor the ranks inherit."""
        return ()

    @property
    def folder_variable(self) -> str:
        """The variable by which supervisors are told the job's folder on the host where the launcher runs."""
        return "TMPDIR"

    def command(self, rank_map: RankMap, argv: list[str], folder: Path, environment: Iterable[str] = ()) -> list[str]:
        """The command line that starts `argv` on every rank.

        `folder`: the job's own, for files that the launcher is to read. `environment`: names of variables that ranks get.
        """

    def end(self, name: str) -> None:
        """End what its own death would leave running, by the name of the job's folder. Harmless when there is nothing."""
