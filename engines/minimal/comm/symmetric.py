"""The data plane of ranks that share one GPU: torch's symmetric memory. NCCL refuses two ranks on one device.

Every rank pushes its data into the inboxes of its peers, meets them in a barrier on the device, and reads its own inbox.
All of it runs on the stream and can be captured. As in custom all-reduce kernels, a large all-reduce runs in parts, each
with a barrier of its own: ranks that bring different sizes wait for parts that their peers do not have
(sgl-project/sglang#33442).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist

from lockstep.engines.minimal.comm.breadcrumbs import Breadcrumbs
from lockstep.engines.minimal.comm.data_plane import check_rows
from lockstep.engines.minimal.comm.device_plane import DevicePlane
from lockstep.engines.minimal.comm.meeting import Meeting
from lockstep.harness.trace import Comm

PART = 16_384  # elements of one part of an all-reduce, unless there would be more than MOST_PARTS
MOST_PARTS = 16


class SymmetricMemory(DevicePlane):
    """Tensor collectives between processes on one GPU."""

    def __init__(self, meeting: Meeting, crumbs: Breadcrumbs, elements: int) -> None:
        """Meet; nobody will send more than `elements` floats at once."""
        super().__init__(meeting, crumbs)
        self._part = max(PART, -(-elements // MOST_PARTS))
        self._room = max(elements, self._part)
        parts = -(-self._room // self._part)
        # A barrier of its own for each part, and so a communicator of its own in the wait-for graph.
        names = [meeting.name if part == 0 else f"{meeting.name}.part{part}" for part in range(parts)]
        self._comms = [meeting.comm("symm_mem", part, device="compute") for part in names]
        self._rounds = 0
        if self.size > 1:
            self._meet(meeting, meeting.comm("gloo"))

    def _meet(self, meeting: Meeting, comm: Comm) -> None:
        os.environ["TORCH_SYMM_MEM_ALLOW_OVERLAPPING_DEVICES"] = "1"
        import torch.distributed._symmetric_memory as symmetric

        meeting.begin("gloo", lambda: comm, "rendezvous")
        shape = (2, self.size, self._room)
        self._inbox = symmetric.empty(*shape, dtype=torch.float32, device=torch.device("cuda", torch.cuda.current_device()))
        with self._recorder.collective(comm, "symm_mem rendezvous"):
            self._handle = symmetric.rendezvous(self._inbox, dist.distributed_c10d._get_default_group().group_name)
        self._peers = [self._handle.get_buffer(peer, shape, torch.float32) for peer in range(self.size)]

    def begin(self) -> None:
        """A forward begins: inboxes are used in turn, and every forward begins with the first."""
        self._rounds = 0

    def finish(self) -> None:
        """A forward ends. After an odd number of rounds one more, lest the next one overwrite what a peer still reads."""
        if self._rounds % 2 and self.size > 1:
            with self._round(0, "barrier end", -1):
                pass

    def all_reduce(self, tensor: torch.Tensor, place: str) -> None:
        """Sum over all members, in place, in the order of the ranks: the same bits on each."""
        if self.size == 1:
            return
        flat = tensor.view(-1)
        for part, piece in enumerate(torch.split(flat, self._part)):
            count = piece.numel()
            op = f"all_reduce {place}" + (f" part={part}" if part else "")
            with self._round(part, op, flat.numel()) as turn:
                for peer in self._peers:
                    peer[turn, self.rank, :count].copy_(piece)
            piece.copy_(self._inbox[turn, :, :count].sum(0))

    def all_to_all(
        self, output: torch.Tensor, source: torch.Tensor, outgoing: Sequence[int], incoming: Sequence[int], place: str
    ) -> None:
        """Send the first `outgoing[0]` rows of `source` to member 0 and so on; sizes may rightly differ by member.

        Raises ValueError when rows do not fit into a peer's inbox.
        """
        check_rows(outgoing, incoming)
        if self.size == 1:
            output.copy_(source)
            return
        width = source.shape[1]
        if max(*outgoing, *incoming) * width > self._room:
            raise ValueError(f"{max(*outgoing, *incoming)} rows of {width} do not fit into inboxes of {self._room} elements")
        with self._round(0, f"all_to_all {place}", -1) as turn:
            for peer, rows in zip(self._peers, torch.split(source, list(outgoing)), strict=True):
                peer[turn, self.rank, : rows.numel()].copy_(rows.reshape(-1))
        for sender, rows in enumerate(torch.split(output, list(incoming))):
            rows.copy_(self._inbox[turn, sender, : rows.numel()].view_as(rows))

    @contextmanager
    def _round(self, channel: int, op: str, size: int) -> Iterator[int]:
        """Fill the peers' inboxes inside; then wait, on the device, until all members have done so."""
        turn, self._rounds = self._rounds % 2, self._rounds + 1
        with self._handed(self._comms[channel], op, size):
            yield turn
            self._handle.barrier(channel=channel)
