"""The one dealer of ranks to hosts: `run`, `bisect`, `judge-commit` and `watch` all come by here. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.harness.launch.rank_map import NodeRanks, RankMap
from lockstep.harness.placement.allocator import NodeSlots, allocate
from lockstep.harness.placement.capacity import Capacity, Gpus
from lockstep.harness.placement.request import Lack, PlacementRequest
from lockstep.harness.scenario.case import Case


@dataclass(frozen=True, slots=True)
class Placement:
    """What a case has asked for, and the slots and GPUs that it was given."""

    request: PlacementRequest
    slots: NodeSlots

    @staticmethod
    def of(case: Case, capacity: Capacity) -> RankMap | Lack:
        """Where the ranks of a case run when nothing else does, or why these hosts cannot hold it.

        A pool whose cases run one at a time comes to the same for each of them.
        """
        request = PlacementRequest.of(case, capacity)
        if isinstance(request, Lack):
            return request
        slots = allocate(capacity.hosts, (), request)
        if slots is None:
            raise ValueError(f"{request} was granted by these hosts, and they cannot hold it")
        return Placement(request, slots).rank_map(capacity)

    def rank_map(self, capacity: Capacity, exposed: bool = False) -> RankMap:
        """Where its ranks run. `exposed`: they are told which GPUs are theirs; a case that runs alone may see all.

        A program is not told either: how many it uses is not known, and it has all of its host.
        """
        told = exposed and self.request.gpus is not Gpus.ALL
        hosts = [capacity.hosts[slot.host] for slot in self.slots]
        nodes = tuple(
            NodeRanks(host.host, slot.ranks, slot.gpus if told else ()) for host, slot in zip(hosts, self.slots, strict=True)
        )
        local = len(hosts) == 1 and hosts[0].here
        return RankMap(nodes, local, None if local else capacity.head)
