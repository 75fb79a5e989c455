"""Free slots and GPUs of the hosts of a run: whether there are places for a case now, and which. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lockstep.harness.placement.capacity import Gpus, HostCapacity
from lockstep.harness.placement.request import PlacementRequest


@dataclass(frozen=True, slots=True)
class NodeSlot:
    """What a node of a case takes of a host, by the number of that host. `alone`: nobody else may have these GPUs."""

    host: int
    ranks: int
    slots: int
    gpus: tuple[str, ...] = ()
    alone: bool = False


NodeSlots = tuple[NodeSlot, ...]  # of all nodes of a case, in the order of its ranks


def allocate(hosts: Sequence[HostCapacity], taken: Iterable[NodeSlot], request: PlacementRequest) -> NodeSlots | None:
    """Places for a case beside those that are taken, on the first hosts that have them; None when there are none now."""
    free = _Free(hosts, taken)
    chosen = _choose(hosts, request, range(len(hosts)), lambda number: free.ranks(number, request))
    return None if chosen is None else free.slots(chosen, request)


def reserve(hosts: Sequence[HostCapacity], taken: Iterable[NodeSlot], request: PlacementRequest) -> NodeSlots:
    """Places that a case has as soon as those who hold some of them have ended, on the hosts where the most is free."""
    free = _Free(hosts, taken)
    order = sorted(range(len(hosts)), key=lambda number: -free.ranks(number, request))
    chosen = _choose(hosts, request, order, lambda number: hosts[number].ranks(request.gpus))
    if chosen is None:
        raise ValueError(f"{request} was made for other hosts")
    return free.slots(chosen, request)


def _choose(
    hosts: Sequence[HostCapacity], request: PlacementRequest, order: Sequence[int], room: Callable[[int], int]
) -> tuple[int, ...] | None:
    """A host for each node, by its number, the first in `order` that has `room`.

    The largest node chooses first: whatever holds it would hold any other node too, so that no choice is a wrong one.
    """
    left = list(order)
    chosen: dict[int, int] = {}
    largest_nodes = sorted(range(len(request.counts)), key=lambda node: -request.counts[node])
    largest_hosts = sorted((host.ranks(request.gpus) for host in hosts), reverse=True)
    for node, largest in zip(largest_nodes, largest_hosts, strict=False):
        enough = largest if request.oversubscribed else request.counts[node]  # who takes hosts whole takes the largest ones
        number = next((number for number in left if room(number) >= enough), None)
        if number is None:
            return None
        left.remove(number)
        chosen[node] = number
    if request.oversubscribed:
        return tuple(sorted(chosen.values()))
    return tuple(chosen[node] for node in range(len(request.counts)))


class _Free:
    """What the slots that are taken leave of each host."""

    def __init__(self, hosts: Sequence[HostCapacity], taken: Iterable[NodeSlot]) -> None:
        self._hosts = hosts
        self._used = [0] * len(hosts)
        self._alone: set[tuple[int, str]] = set()
        self._holders: Counter[tuple[int, str]] = Counter()
        self._small: Counter[tuple[int, str]] = Counter()  # those of them whose ranks have a GPU each
        for slot in taken:
            self._used[slot.host] += slot.slots
            held = [(slot.host, name) for name in slot.gpus]
            self._holders.update(held)
            self._alone.update(held if slot.alone else ())
            self._small.update(held if not slot.slots else ())

    def ranks(self, number: int, request: PlacementRequest) -> int:
        """For how many ranks there is room on a host; of a case that takes hosts whole: for any number, or none."""
        host = self._hosts[number]
        unheld = sum(not self._holders[number, name] for name in host.gpus)
        if request.gpus is Gpus.EACH:
            return unheld
        if request.gpus is Gpus.SHARED:
            # Cases whose ranks share one GPU do not count: they could else keep a small one waiting by passing it.
            return sum((number, name) not in self._alone and self._small[number, name] < host.share for name in host.gpus)
        slots = max(0, host.slots - self._used[number])
        if request.oversubscribed and slots < host.slots:
            return 0
        lacks = {
            Gpus.NONE: False,
            Gpus.ONE: all((number, name) in self._alone for name in host.gpus),
            Gpus.ALL: not host.gpus or unheld < len(host.gpus),
        }
        return 0 if lacks[request.gpus] else slots

    def slots(self, chosen: Sequence[int], request: PlacementRequest) -> NodeSlots:
        """The places of each node on its host, those that nobody holds before others."""
        return tuple(self._slot(number, ranks, request) for number, ranks in zip(chosen, request.counts, strict=True))

    def _slot(self, number: int, ranks: int, request: PlacementRequest) -> NodeSlot:
        host = self._hosts[number]
        slots = host.slots if request.oversubscribed else ranks
        small = host.share if request.gpus is Gpus.SHARED else 0  # so many of its kind are on a GPU that is full for it
        held = lambda name: (  # noqa: E731
            (number, name) in self._alone,
            bool(small) and self._small[number, name] >= small,
            self._holders[number, name],
        )
        gpus = tuple(sorted(host.gpus, key=held))
        if request.gpus in (Gpus.EACH, Gpus.SHARED):
            return NodeSlot(number, ranks, 0, gpus[:ranks], alone=request.gpus is Gpus.EACH)
        if request.gpus is Gpus.ONE:
            return NodeSlot(number, ranks, slots, gpus[:1])
        return NodeSlot(number, ranks, slots, host.gpus if request.gpus is Gpus.ALL else (), alone=request.gpus is Gpus.ALL)
