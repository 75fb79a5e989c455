"""Hydra, the mpiexec of MPICH: forks on this host, and goes to others by ssh with a machine file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lockstep.harness.launch import allocation, ssh
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.interface import Interface, interfaces
from lockstep.harness.launch.launcher import ANYWHERE, Launcher
from lockstep.harness.launch.rank_map import RankMap

NAME = "hydra"


@dataclass(frozen=True, slots=True)
class Hydra(Launcher):
    """An mpiexec of MPICH."""

    program: str
    version: str
    name: str = NAME

    @staticmethod
    def recognise(program: str, text: str) -> Hydra | None:
        """This launcher, if `text`, what a program says to `--version`, is Hydra's."""
        if "HYDRA" not in text:
            return None
        version = next((line.split()[-1] for line in text.splitlines() if "Version:" in line), "?")
        return Hydra(program, f"MPICH {version}")

    @property
    def environment(self) -> Mapping[str, str]:
        """Hydra's proxy writes a description of the host into /tmp, whatever TMPDIR says, and forgets it when a rank aborts.

        It writes none when this names one; empty names none, and MPICH then looks at the host itself.
        """
        return {"HWLOC_XMLFILE": os.environ.get("HWLOC_XMLFILE", "")}

    @property
    def withheld(self) -> tuple[str, ...]:
        """It takes its hosts from us and reaches them by ssh, inside an allocation too."""
        return allocation.variables()

    def command(self, rank_map: RankMap, argv: list[str], folder: Path, environment: Iterable[str] = ()) -> list[str]:
        """It takes all variables along by itself."""
        return [self.program, *self.arguments(rank_map, folder), *argv]

    def arguments(self, rank_map: RankMap, folder: Path) -> list[str]:
        """For the ranks of a map. -prepend-rank is not wanted: ranks' output goes to their own logs."""
        if rank_map.local:
            return ["-launcher", "fork", "-n", str(rank_map.ranks)]  # this host only, no ssh
        hosts = folder / "hosts"
        hosts.write_text("".join(f"{node.host}:{node.ranks}\n" for node in rank_map.nodes))
        # Where its proxies find it; else by this host's name.
        where = ["-iface", _with_version_4(rank_map.head)] if rank_map.head else []
        over = ["-launcher", "ssh", "-launcher-exec", ssh.write(folder, ssh.HYDRA)]
        return [*where, *over, "-wdir", ANYWHERE, "-f", str(hosts), "-n", str(rank_map.ranks)]

    def end(self, name: str) -> None:
        """Its proxies follow it."""


def _with_version_4(head: Interface) -> str:
    """The interface by its name. Its own connections know no other version: raises LaunchError for one that has none."""
    if ":" in head.address and not any(one.name == head.name and ":" not in one.address for one in interfaces()):
        raise LaunchError(
            f"MPICH's mpiexec speaks IPv4 only, and {head.name} ({head.address}) has no such address; "
            "use Open MPI's mpiexec (--launcher prrte), or srun"
        )
    return head.name
