"""The data plane on CPU: torch.distributed over gloo, every blocking call an event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import TCPStore  # type: ignore[attr-defined]
from torch.distributed.distributed_c10d import _set_pg_timeout, default_pg_timeout

from lockstep.engines.minimal.comm.data_plane import DataPlane, check_rows
from lockstep.engines.minimal.comm.meeting import Meeting
from lockstep.harness.trace.event import Need


class GlooGroup(DataPlane):
    """Tensor collectives of the ranks that share the experts."""

    def __init__(self, meeting: Meeting) -> None:
        """Meet. `shared`: the store where its members met, if it has others."""
        super().__init__()
        self.size, self.rank = meeting.control.size, meeting.control.rank
        self.shared: TCPStore | None = None
        self._recorder = meeting.recorder
        self._deadline_s: float | None = None
        self._comm = meeting.comm("gloo")
        self._group: Any = None  # torch's default group
        if self.size > 1:
            self.shared = meeting.begin("gloo", lambda: self._comm, "rendezvous")

    def beside(self, name: str, members: Sequence[int]) -> GlooGroup:
        """Another communicator of the same ranks. All members must call it."""
        other = copy(self)
        other._comm = self._recorder.comm("gloo", name, members)
        if self.size > 1:
            with self._recorder.collective(other._comm, "rendezvous"):
                other._group = dist.new_group(list(range(self.size)), backend="gloo")
        return other

    def all_reduce(self, tensor: torch.Tensor, place: str) -> None:
        """Sum over all members, in place."""
        if self.size > 1:
            with self._issue(f"all_reduce {place}", tensor.numel()):
                dist.all_reduce(tensor, group=self._group)

    def all_to_all(
        self, output: torch.Tensor, source: torch.Tensor, outgoing: Sequence[int], incoming: Sequence[int], place: str
    ) -> None:
        """Send the first `outgoing[0]` rows of `source` to member 0 and so on; sizes may rightly differ by member."""
        check_rows(outgoing, incoming)
        if self.size == 1:
            output.copy_(source)
            return
        with self._issue(f"all_to_all {place}", -1):
            dist.all_to_all_single(output, source, list(incoming), list(outgoing), group=self._group)

    def deadline(self, seconds: float | None) -> None:
        """Gloo's own: it ends a collective with an error, and closes the connections to all members."""
        self._deadline_s = seconds
        if self.size > 1:
            _set_pg_timeout(timedelta(seconds=seconds) if seconds else default_pg_timeout, dist.group.WORLD)

    @contextmanager
    def _issue(self, op: str, size: int) -> Iterator[None]:
        self.note(self._comm, op, size)
        need = Need.TIMED if self._deadline_s else Need.ALL
        try:
            with self._recorder.collective(self._comm, op, size, need):
                yield
        except RuntimeError as error:
            if self._deadline_s and "Timed out" in str(error):  # of gloo's errors; the others are of a lost connection
                detail = f"seconds={self._deadline_s:g}"
                self._recorder.decision("data_plane.deadline", op, "expired", detail, deviates=True)
            raise
