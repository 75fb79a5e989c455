"""Which hosts a case gets: its ranks are dealt in blocks, host by host. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from lockstep.harness.launch.interface import Interface
from lockstep.harness.launch.rank_map import Node, RankMap
from lockstep.harness.placement.hosts import Host, this_host


@dataclass(frozen=True, slots=True)
class Hosts:
    """All hosts of a run. `head`: the interface by which they reach this one; None when there is no other."""

    every: tuple[Host, ...]
    head: Interface | None = None

    @staticmethod
    def only_this() -> Hosts:
        """What a run has that was given no hosts."""
        return Hosts((this_host(),))

    @property
    def slots(self) -> int:
        """Room for so many ranks."""
        return sum(host.slots for host in self.every)

    @property
    def others(self) -> bool:
        """Whether there is any beside this one."""
        return not all(host.here for host in self.every)

    def deal(self, wanted: Sequence[int], ranks: int) -> RankMap | None:
        """As the function of this name, with all hosts free."""
        found = deal(wanted, ranks, self.every)
        return found and (found if found.local else replace(found, head=self.head))

    def lack(self, wanted: Sequence[int], ranks: int) -> str:
        """Why a case cannot be dealt to these hosts; empty when it can."""
        if deal(wanted, ranks, self.every) is not None:
            return ""
        if len(wanted) > len(self.every):
            return too_few_hosts(len(wanted), len(self.every))
        return too_few_slots(wanted, ranks, self.slots)


def deal(wanted: Sequence[int], ranks: int, hosts: Sequence[Host]) -> RankMap | None:
    """Where a case's ranks run: `wanted` says how many each of its nodes has; empty: they fill the hosts in their order.

    Every node is a host of its own, with a slot for each rank. None when the hosts have not got the room.
    """
    nodes = _as_wanted(wanted, hosts) if wanted else _filled(ranks, hosts)
    if nodes is None:
        return None
    here = {host.name for host in hosts if host.here}
    return RankMap(tuple(nodes), local=len(nodes) == 1 and nodes[0].host in here)


def _filled(ranks: int, hosts: Sequence[Host]) -> list[Node] | None:
    nodes: list[Node] = []
    for host in hosts:
        take = min(ranks, host.slots)
        if take:
            nodes.append(Node(host.name, take))
        ranks -= take
    return nodes if ranks == 0 else None


def _as_wanted(wanted: Sequence[int], hosts: Sequence[Host]) -> list[Node] | None:
    """The node with most ranks chooses first: what has room for it has room for the others, so no choice is a wrong one."""
    free = list(hosts)
    nodes: dict[int, Node] = {}
    for number in sorted(range(len(wanted)), key=lambda number: -wanted[number]):
        host = next((host for host in free if host.slots >= wanted[number]), None)
        if host is None:
            return None
        free.remove(host)
        nodes[number] = Node(host.name, wanted[number])
    return [nodes[number] for number in range(len(wanted))]


def too_few_hosts(needed: int, there: int, kind: str = "") -> str:
    """Why cases cannot be dealt. `kind`: what the hosts need to have to count, with a space before it."""
    are = "is 1 host" if there == 1 else f"are {there} hosts"
    return f"they need {needed} hosts, and there {are}{kind}; --hosts names more"


def too_few_slots(wanted: Sequence[int], ranks: int, there: int) -> str:
    """Why cases cannot be dealt that need so many ranks, on nodes as `wanted`; `there`: slots of all hosts."""
    if wanted:
        slots = " and ".join(map(str, sorted(wanted, reverse=True)))
        return f"they need {'a host' if len(wanted) == 1 else 'hosts'} with {slots} slots; more are given as name:slots"
    return f"they need {ranks} slots, and the hosts have {there}; more are given as name:slots"
