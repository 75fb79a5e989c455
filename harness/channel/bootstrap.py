"""What a supervisor is told at its start, in one variable of its environment. Standard library only: it is on the
path to the engine's start."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lockstep.harness.environment import PLAN
from lockstep.harness.ip_address import is_loopback, split_port

PROTOCOL = 3  # of the plan and of the messages
STATE_FOLDER = "state"  # its name in the case's folder
SILENCE_S = 30.0  # a watchdog or a supervisor that says nothing for so long is lost
RAS = "NCCL_RAS_ADDR"  # environment of the ranks: where NCCL's RAS of the job listens on each host


@dataclass(frozen=True)
class Plan:
    """Where the watchdog is, the keys of this run, and what to start."""

    endpoint: str
    server_key: str
    public_key: str
    secret_key: str
    argv: tuple[str, ...]
    spec: dict[str, Any]
    world: int
    capacity: int
    nodes: tuple[int, ...]  # how many ranks each node has, in the order of ranks
    chosen: bool  # the user has named the interface: ranks are to use it for everything
    cwd: str  # the working directory of the ranks
    machine: str  # what tells the watchdog's host from others
    ras: str  # what the watchdog has chosen for it; empty: the user has
    silence_s: float = SILENCE_S
    protocol: int = PROTOCOL
    log_folder: str = ""  # the case's, on the watchdog's host
    state: str = ""  # the name, on other hosts, of the folder that stays between the launches of a case
    gpus: tuple[tuple[str, ...], ...] = ()  # of each node those that its ranks may use; none: all

    @property
    def remote(self) -> bool:
        """Whether ranks may be on other hosts than the watchdog's."""
        return not is_loopback(split_port(self.endpoint)[0])

    def local_rank(self, rank: int) -> tuple[int, int]:
        """The number of a rank on its node, and how many ranks that node has. Raises IndexError."""
        first = 0
        for count in self.nodes:
            if rank < first + count:
                return rank - first, count
            first += count
        raise IndexError(f"rank {rank} of {first}")

    def visible(self, rank: int) -> dict[str, str]:
        """The variables by which a rank sees the GPUs that its node was given, in the order in which NVML counts them."""
        first = 0
        for count, gpus in zip(self.nodes, self.gpus, strict=False):
            if first <= rank < first + count and gpus:
                return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(gpus)}
            first += count
        return {}

    def environment(self) -> dict[str, str]:
        """The variable that carries the plan."""
        return {PLAN: json.dumps(asdict(self))}


def read_plan(environ: Mapping[str, str]) -> Plan:
    """The plan of this supervisor. Raises SystemExit when it was not started by a watchdog."""
    if PLAN not in environ:
        raise SystemExit(f"{PLAN} is not set: supervisors are started by `lockstep run`, through the MPI launcher")
    raw = json.loads(environ[PLAN])
    if raw.get("protocol") != PROTOCOL:
        raise SystemExit(
            f"lockstep supervisor: on {os.uname().nodename} {Path(__file__).parents[2]} is another version of lockstep than "
            f"the watchdog's (protocol {PROTOCOL}, not {raw.get('protocol')}); install the same version on all hosts"
        )
    raw |= {"argv": tuple(raw["argv"]), "nodes": tuple(raw["nodes"]), "gpus": tuple(map(tuple, raw["gpus"]))}
    return Plan(**raw)
