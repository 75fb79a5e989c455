"""A communicator that is made when it is first needed: its members meet under a key with their group's sequence number.

Source: sgl-project/sglang#25581. NCCL's communicators are made in this way; here it is a second gloo group. The number is
torch's own: it counts every operation of a group, messages too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed import PrefixStore, ProcessGroupGloo, TCPStore  # type: ignore[attr-defined]

from lockstep.harness.trace import Recorder

TIMEOUT = timedelta(minutes=30)


class LateGroup:
    """Context-parallel ranks: the default group until then, a group of their own from the first use on."""

    def __init__(self, recorder: Recorder, shared: TCPStore, rank: int, members: Sequence[int]) -> None:
        self._recorder, self._shared, self._rank = recorder, shared, rank
        self._members = tuple(members)
        self._cpu = recorder.comm("gloo", "cpu", members)
        self._group: ProcessGroupGloo | None = None

    def barrier(self) -> None:
        """All ranks have loaded."""
        with self._recorder.collective(self._cpu, "barrier"):
            dist.barrier()

    def monitored_barrier(self) -> None:
        """The same: the first rank hears of each other one and answers it, message by message."""
        with self._recorder.collective(self._cpu, "monitored_barrier"):
            dist.monitored_barrier()

    def open(self) -> None:
        """Make the communicator, once."""
        if self._group is not None:
            return
        assert dist.group.WORLD is not None  # noqa: S101  the data plane's, made before
        backend: Any = dist.group.WORLD._get_backend(torch.device("cpu"))
        key = f"cp/{backend._get_sequence_number_for_group()}"
        self._recorder.decision("capture.communicator", "cp", key)
        comm = self._recorder.comm("gloo", key, self._members)
        with self._recorder.collective(comm, "rendezvous"):
            store = PrefixStore(key, self._shared)
            self._group = ProcessGroupGloo(store, self._rank, len(self._members), TIMEOUT)
