"""Whether ranks use KV that an earlier stage sent, of which each gets its own part (vllm-project/vllm-omni#5636)."""

from __future__ import annotations

from typing import Protocol

from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.spec.points import Point


class KvUse(Protocol):
    """Asked for each request whose KV is sent."""

    def uses(self, received: bool, tp: Communicator) -> bool:
        """Whether this rank uses its part, where it has got it in time or not."""


class Agree:
    """Sound: all of them, or none."""

    def uses(self, received: bool, tp: Communicator) -> bool:
        """If all have."""
        return all(tp.allgather(received, "kv received"))


class Own:
    """Each that has got its part: the others encode the prompt again, by forwards that nobody joins
    (vllm-project/vllm-omni#5636)."""

    def uses(self, received: bool, tp: Communicator) -> bool:
        """If this rank has."""
        return received


KV_RECEIVE = Point[KvUse](
    "kv_receive",
    "whether ranks use KV that an earlier stage sent: all or none of them, or each that has got its part in time",
    {"agree": Agree(), "own": Own()},
)
