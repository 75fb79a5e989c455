"""The link between pipeline stages on CPU: hidden states by send and receive over gloo, every one an event."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
from torch.distributed import ProcessGroupGloo

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.comm.meeting import store
from lockstep.harness.trace import Recorder

TIMEOUT = timedelta(minutes=30)  # torch's own default


class GlooLink:
    """One rank of each stage. A send ends when its receiver has taken the tensor, as gloo's unbound buffers do."""

    def __init__(self, recorder: Recorder, control: Communicator, members: Sequence[int]) -> None:
        """Meet with `members` (global ranks, those of `control`, by stage)."""
        self._recorder = recorder
        self._rank = control.rank
        self._comm = recorder.comm("gloo", "pp", members)
        shared = store(control)
        with recorder.collective(self._comm, "rendezvous"):
            self._group: Any = ProcessGroupGloo(shared, control.rank, control.size, TIMEOUT)

    def send(self, tensor: torch.Tensor, place: str) -> None:
        """To the next stage."""
        with self._recorder.send(self._comm, self._rank + 1, size=tensor.numel(), synchronous=True, what=place):
            self._group.send([tensor.contiguous()], self._rank + 1, 0).wait()

    def recv(self, tensor: torch.Tensor, place: str) -> None:
        """From the stage before, into `tensor`."""
        with self._recorder.recv(self._comm, self._rank - 1, size=tensor.numel(), what=place):
            self._group.recv([tensor], self._rank - 1, 0).wait()
