"""Free slots and GPUs of the hosts of a run: whether there are places for a case now, and which. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from lockstep.harness.placement.request import Gpus, Room, Wish, size


@dataclass(frozen=True, slots=True)
class Seat:
    """What a node of a case takes of a host. `alone`: nobody else may have these GPUs."""

    room: int
    ranks: int
    slots: int
    gpus: tuple[str, ...] = ()
    alone: bool = False


Seats = tuple[Seat, ...]  # of all nodes of a case, in the order of its ranks


def find(rooms: Sequence[Room], taken: Iterable[Seat], wish: Wish) -> Seats | None:
    """Places for a case beside the seats that are taken, on the first hosts that have them; None when there are none now."""
    free = _Free(rooms, taken)
    hosts = _deal(rooms, wish, range(len(rooms)), lambda number: free.ranks(number, wish))
    return None if hosts is None else free.seats(hosts, wish)


def reserve(rooms: Sequence[Room], taken: Iterable[Seat], wish: Wish) -> Seats:
    """Places that a case has as soon as those who hold some of them have ended, on the hosts where the most is free."""
    free = _Free(rooms, taken)
    order = sorted(range(len(rooms)), key=lambda number: -free.ranks(number, wish))
    hosts = _deal(rooms, wish, order, lambda number: size(rooms[number], wish.gpus))
    if hosts is None:
        raise ValueError(f"{wish} was made for other hosts")
    return free.seats(hosts, wish)


def _deal(rooms: Sequence[Room], wish: Wish, order: Sequence[int], capacity: Callable[[int], int]) -> tuple[int, ...] | None:
    """A host for each node. The largest node chooses first: whatever holds it would hold any other node too."""
    left = list(order)
    found: dict[int, int] = {}
    largest = sorted((size(room, wish.gpus) for room in rooms), reverse=True)
    for node, least in zip(sorted(range(len(wish.counts)), key=lambda node: -wish.counts[node]), largest, strict=False):
        enough = least if wish.whole else wish.counts[node]  # who takes hosts whole takes the largest that there are
        host = next((number for number in left if capacity(number) >= enough), None)
        if host is None:
            return None
        left.remove(host)
        found[node] = host
    if wish.whole:
        return tuple(sorted(found.values()))
    return tuple(found[node] for node in range(len(wish.counts)))


class _Free:
    """What the seats that are taken leave of each host."""

    def __init__(self, rooms: Sequence[Room], taken: Iterable[Seat]) -> None:
        self._rooms = rooms
        self._used = [0] * len(rooms)
        self._alone: set[tuple[int, str]] = set()
        self._holders: Counter[tuple[int, str]] = Counter()
        self._small: Counter[tuple[int, str]] = Counter()  # those of them whose ranks have a GPU each
        for seat in taken:
            self._used[seat.room] += seat.slots
            held = [(seat.room, name) for name in seat.gpus]
            self._holders.update(held)
            self._alone.update(held if seat.alone else ())
            self._small.update(held if not seat.slots else ())

    def ranks(self, number: int, wish: Wish) -> int:
        """For how many ranks there is room on a host; of a case that takes hosts whole: for any number, or none."""
        room = self._rooms[number]
        unheld = sum(not self._holders[number, name] for name in room.gpus)
        if wish.gpus is Gpus.EACH:
            return unheld
        if wish.gpus is Gpus.SHARED:
            # Cases whose ranks share one GPU do not count: they could else keep a small one waiting by passing it.
            return sum((number, name) not in self._alone and self._small[number, name] < room.share for name in room.gpus)
        slots = max(0, room.slots - self._used[number])
        if wish.whole and slots < room.slots:
            return 0
        lacks = {
            Gpus.NONE: False,
            Gpus.ONE: all((number, name) in self._alone for name in room.gpus),
            Gpus.ALL: not room.gpus or unheld < len(room.gpus),
        }
        return 0 if lacks[wish.gpus] else slots

    def seats(self, hosts: Sequence[int], wish: Wish) -> Seats:
        """The places of each node on its host, those that nobody holds before others."""
        return tuple(self._seat(number, ranks, wish) for number, ranks in zip(hosts, wish.counts, strict=True))

    def _seat(self, number: int, ranks: int, wish: Wish) -> Seat:
        room = self._rooms[number]
        slots = room.slots if wish.whole else ranks
        small = room.share if wish.gpus is Gpus.SHARED else 0  # so many of its kind are on a GPU that is full for it
        held = lambda name: (  # noqa: E731
            (number, name) in self._alone,
            bool(small) and self._small[number, name] >= small,
            self._holders[number, name],
        )
        gpus = tuple(sorted(room.gpus, key=held))
        if wish.gpus in (Gpus.EACH, Gpus.SHARED):
            return Seat(number, ranks, 0, gpus[:ranks], alone=wish.gpus is Gpus.EACH)
        if wish.gpus is Gpus.ONE:
            return Seat(number, ranks, slots, gpus[:1])
        return Seat(number, ranks, slots, room.gpus if wish.gpus is Gpus.ALL else (), alone=wish.gpus is Gpus.ALL)
