"""What the hosts of a run offer to its cases: slots for ranks, and GPUs. Pure."""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass

from lockstep.harness.launch.interface import Interface
from lockstep.harness.placement.hosts import UNLIMITED, Hosts


class Gpus(enum.Enum):
    """Which GPUs a node of a case takes."""

    NONE = "none"
    EACH = "each"  # one for each of its ranks, for itself alone
    SHARED = "shared"  # one for each of its ranks, which some other cases may use too
    ONE = "one"  # one for all of its ranks, which others may share too
    ALL = "all"  # all of its host, for itself alone: how many a program needs is not known


@dataclass(frozen=True, slots=True)
class HostCapacity:
    """A host of a run: slots for ranks, and GPUs as CUDA_VISIBLE_DEVICES names them. `here`: this process runs there.

    `share`: how many cases may be on one of its GPUs.
    """

    host: str
    slots: int
    gpus: tuple[str, ...] = ()
    here: bool = False
    share: int = 1

    @property
    def gpu_places(self) -> int:
        """How many ranks with a GPU each it holds at once, of several cases together."""
        return len(self.gpus) * self.share

    def ranks(self, gpus: Gpus) -> int:
        """How many ranks that take GPUs so it holds when nothing else runs there."""
        if gpus in (Gpus.EACH, Gpus.SHARED):
            return len(self.gpus)
        return self.slots if self.gpus or gpus is Gpus.NONE else 0


@dataclass(frozen=True, slots=True)
class Capacity:
    """All hosts of a run. `head`: the interface by which they reach this one; None when there is no other.

    `strict_slots`: it was said how many slots they have, and no case gets more.
    """

    hosts: tuple[HostCapacity, ...]
    head: Interface | None = None
    strict_slots: bool = True

    @staticmethod
    def here(slots: int = UNLIMITED, gpus: tuple[str, ...] = (), share: int = 1) -> Capacity:
        """This host, of which nobody has said what it has room for: it holds any case that has a host to itself."""
        return Capacity((HostCapacity(os.uname().nodename, slots, gpus, here=True, share=share),), strict_slots=False)

    @staticmethod
    def of_slots(hosts: Hosts) -> Capacity:
        """Hosts that were not asked for their GPUs, for a case that takes none."""
        return Capacity(tuple(HostCapacity(one.name, one.slots, here=one.here) for one in hosts.every), hosts.head)

    @property
    def only_here(self) -> bool:
        """Whether this host is the only one."""
        return len(self.hosts) == 1 and self.hosts[0].here
