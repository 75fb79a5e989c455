"""PRRTE, the mpiexec of Open MPI: its daemons go to other hosts by ssh."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lockstep.harness.launch import allocation, ssh
from lockstep.harness.launch.launcher import ANYWHERE, Launcher
from lockstep.harness.launch.rank_map import RankMap

NAME = "prrte"
ROOT_MAY = {f"{prefix}_ALLOW_RUN_AS_ROOT{suffix}": "1" for prefix in ("OMPI", "PRTE") for suffix in ("", "_CONFIRM")}
OVERSUBSCRIBED = {
    # More ranks than cores is the normal case here; without this they spin against each other.
    "OMPI_MCA_mpi_yield_when_idle": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


@dataclass(frozen=True, slots=True)
class Prrte(Launcher):
    """An mpiexec of Open MPI."""

    program: str
    version: str
    name: str = NAME

    @staticmethod
    def recognise(program: str, text: str) -> Prrte | None:
        """This launcher, if `text`, what a program says to `--version`, is Open MPI's."""
        known = "Open MPI" in text or "PRRTE" in text.upper()
        return Prrte(program, text.splitlines()[0]) if known else None

    @property
    def environment(self) -> Mapping[str, str]:
        """More ranks than cores, and a root that may start them."""
        return {**OVERSUBSCRIBED, **(ROOT_MAY if os.geteuid() == 0 else {})}

    @property
    def withheld(self) -> tuple[str, ...]:
        """It takes its hosts from us and reaches them by ssh, inside an allocation too."""
        return allocation.variables()

    def command(self, rank_map: RankMap, argv: list[str], folder: Path, environment: Iterable[str] = ()) -> list[str]:
        """Variables go to other hosts by their names, so that no value is on a command line."""
        names = () if rank_map.local else sorted(filter(ssh.is_forwarded, environment))
        forward = [word for name in names for word in ("-x", name)]
        return [self.program, *self._arguments(rank_map, folder), *forward, *argv]

    def _arguments(self, rank_map: RankMap, folder: Path) -> list[str]:
        ranks = rank_map.ranks
        if rank_map.local:
            return ["--host", f"localhost:{ranks}", "--bind-to", "none", "-n", str(ranks)]
        hosts = ",".join(f"{node.host}:{node.ranks}" for node in rank_map.nodes)
        agent = ssh.write(folder, ssh.PLAIN)  # on this host only, so that daemons start no others
        daemons = {"plm_ssh_agent": agent, "plm_ssh_no_tree_spawn": "1"}
        if rank_map.head and rank_map.head.chosen:
            daemons["prte_if_include"] = rank_map.head.network
        options = [word for name, value in daemons.items() for word in ("--prtemca", name, value)]
        mapping = ["--map-by", "slot:oversubscribe", "--bind-to", "none"]
        return [*options, "--host", hosts, *mapping, "--wdir", ANYWHERE, "-n", str(ranks)]

    def end(self, name: str) -> None:
        """Its daemons follow it."""
