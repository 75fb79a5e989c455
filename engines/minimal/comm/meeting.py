"""The meeting of a data plane's members: where they learn of each other, and torch's default group is made."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from lockstep.engines.minimal.base.own_address import own_address
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.comm.data_plane import Hooks
from lockstep.harness.trace import Comm, Recorder


@dataclass(frozen=True, slots=True)
class Meeting:
    """One rank's part in it. `name`: of the data plane; `members`: global ranks, those of `control`."""

    recorder: Recorder
    name: str
    control: Communicator
    members: Sequence[int]
    hooks: Hooks

    def comm(self, library: str, part: str = "", device: str = "") -> Comm:
        """A communicator of these members, announced; `part`: of the data plane, where it has several."""
        return self.recorder.comm(library, part or self.name, self.members, device=device)

    def begin(self, backend: str, comm: Callable[[], Comm], op: str, **options: Any) -> TCPStore:
        """Make the default group, seen as the collective `op` of `comm`; the store where all members have met."""
        shared = store(self.control)
        self.hooks.before_meeting()
        with self.recorder.collective(comm(), op):
            dist.init_process_group(backend, store=shared, rank=self.control.rank, world_size=self.control.size, **options)
        return shared


def store(control: Communicator) -> TCPStore:
    """A store on the first member's host, on a free port that it tells the others."""
    host = str(control.allgather(own_address(), "hosts")[0])
    first: TCPStore | None = None
    if control.rank == 0:
        first = TCPStore(host, 0, control.size, is_master=True, wait_for_workers=False)
    ports = control.allgather(first.port if first else 0, "port")
    return first or TCPStore(host, int(str(ports[0])), control.size, is_master=False)
