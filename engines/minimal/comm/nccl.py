"""The data plane of ranks with a GPU each: NCCL through torch.distributed, captured into graphs like any kernel."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import torch
import torch.distributed as dist

from lockstep.engines.minimal.comm.breadcrumbs import Breadcrumbs
from lockstep.engines.minimal.comm.data_plane import check_rows
from lockstep.engines.minimal.comm.device_plane import DevicePlane
from lockstep.engines.minimal.comm.meeting import Meeting

# Far above any case's deadline: a hang is for the watchdog to judge, not for NCCL's own to end.
TIMEOUT = timedelta(hours=2)


class NcclGroup(DevicePlane):
    """Tensor collectives between GPUs."""

    def __init__(self, meeting: Meeting, crumbs: Breadcrumbs, device: int) -> None:
        """Meet, this rank on GPU number `device` of its host."""
        super().__init__(meeting, crumbs)
        self._met: set[Hashable] = set()  # kinds and sizes of collective that have ended once
        self._comm = meeting.comm("nccl", device="compute")
        # With a device the communicator is made here and now, not at the first collective: its hang has a place.
        own = torch.device("cuda", device)
        meeting.begin("nccl", lambda: meeting.comm("nccl-init"), "init", timeout=TIMEOUT, device_id=own)

    def all_reduce(self, tensor: torch.Tensor, place: str) -> None:
        """Sum over all members, in place."""
        with self._issue(f"all_reduce {place}", tensor.numel(), tensor.numel()):
            dist.all_reduce(tensor)

    def all_to_all(
        self, output: torch.Tensor, source: torch.Tensor, outgoing: Sequence[int], incoming: Sequence[int], place: str
    ) -> None:
        """Send the first `outgoing[0]` rows of `source` to member 0 and so on; sizes may rightly differ by member."""
        check_rows(outgoing, incoming)
        with self._issue(f"all_to_all {place}", -1, (source.shape[1], *outgoing, *incoming)):
            dist.all_to_all_single(output, source, list(incoming), list(outgoing))

    @contextmanager
    def _issue(self, op: str, size: int, amount: Hashable) -> Iterator[None]:
        """Hand a collective over inside. NCCL makes connections when it first needs them, and blocks the host for it: so the
        first collective of its kind and `amount` is waited for, in a wait that a hang can be seen in."""
        known = (op.partition(" ")[0], amount)
        with self._handed(self._comm, op, size):
            if self.capturing or known in self._met:
                yield
                return
            with self._recorder.synchronize():
                yield
                torch.cuda.current_stream().synchronize()
            self._met.add(known)
