"""The attention group on CPU: the ranks that share requests and attention heads under attention DP, over gloo."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist

from lockstep.engines.minimal.comm.data_plane import DataPlane
from lockstep.harness.trace import Recorder


class AttentionGroup:
    """Sums of attention heads. A graph's tape is that of the whole data plane."""

    def __init__(self, recorder: Recorder, plane: DataPlane, members: Sequence[int]) -> None:
        """`members`: global ranks. The data plane's default group has been made."""
        self._recorder, self._plane = recorder, plane
        self._comm = recorder.comm("gloo", "attention", members)
        with recorder.collective(self._comm, "rendezvous"):
            self._group = dist.new_group(list(members), backend="gloo", use_local_synchronization=True)

    def all_reduce(self, tensor: torch.Tensor, place: str) -> None:
        """Sum over all members, in place."""
        self._plane.note(self._comm, f"all_reduce {place}", tensor.numel())
        with self._recorder.collective(self._comm, f"all_reduce {place}", tensor.numel()):
            dist.all_reduce(tensor, group=self._group)
