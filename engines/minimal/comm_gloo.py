"""The data plane on CPU: torch.distributed over gloo, every blocking call an event."""

from __future__ import annotations

import socket
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from engines.minimal.protocols import Communicator
from harness.trace import Recorder


class GlooGroup:
    """Tensor collectives of the ranks that share the experts."""

    def __init__(self, recorder: Recorder, name: str, control: Communicator, members: Sequence[int]) -> None:
        """Meet with `members` (global ranks, those of `control`). The port is free, chosen by the first of them."""
        self.size = control.size
        self.rank = control.rank
        self._recorder = recorder
        self._comm = recorder.comm("gloo", name, members)
        if self.size == 1:
            return
        store = _store(control)
        with recorder.collective(self._comm, "rendezvous"):
            dist.init_process_group("gloo", store=store, rank=self.rank, world_size=self.size)

    def all_reduce(self, tensor: torch.Tensor) -> None:
        """Sum over all members, in place."""
        if self.size > 1:
            with self._recorder.collective(self._comm, "all_reduce", tensor.numel()):
                dist.all_reduce(tensor)

    def all_to_all(
        self, output: torch.Tensor, source: torch.Tensor, outgoing: Sequence[int], incoming: Sequence[int]
    ) -> None:
        """Send the first `outgoing[0]` rows of `source` to member 0 and so on; sizes may rightly differ by member.

        Raises ValueError for a member without rows: nobody would wait for it, and the proof counts on everybody's coming.
        """
        if not all((*outgoing, *incoming)):
            raise ValueError(f"every member needs rows: outgoing {list(outgoing)}, incoming {list(incoming)}")
        if self.size == 1:
            output.copy_(source)
            return
        with self._recorder.collective(self._comm, "all_to_all"):
            dist.all_to_all_single(output, source, list(incoming), list(outgoing))


def _store(control: Communicator) -> TCPStore:
    """A store on the first member's host, on a free port that it tells the others."""
    hosts = control.allgather(socket.gethostname())
    host = "127.0.0.1" if len(set(map(str, hosts))) == 1 else str(hosts[0])
    first: TCPStore | None = None
    if control.rank == 0:
        first = TCPStore(host, 0, control.size, is_master=True, wait_for_workers=False)
    ports = control.allgather(first.port if first else 0)
    return first or TCPStore(host, int(str(ports[0])), control.size, is_master=False)
