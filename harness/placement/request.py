"""What a case needs of the hosts of a run: how many ranks on how many of them, and which part of their GPUs. Pure.

It depends on the hosts alone and not on what else runs, so that a case is dealt in the same way whenever it runs.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.placement.dealing import too_few_hosts, too_few_slots
from lockstep.harness.scenario.case import Case

MODEST_BYTES = 4 << 30  # of a GPU: a few such cases fit beside each other on any that serves models


class Gpus(enum.Enum):
    """Which GPUs a node of a case takes."""

    NONE = "none"
    EACH = "each"  # one for each of its ranks, for itself alone
    SHARED = "shared"  # one for each of its ranks, which some other cases may use too
    ONE = "one"  # one for all of its ranks, which others may share too
    ALL = "all"  # all of its host, for itself alone: how many a program needs is not known


@dataclass(frozen=True, slots=True)
class Room:
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


@dataclass(frozen=True, slots=True)
class Wish:
    """Ranks of each node, each on another host. `whole`: more ranks than slots, so that it takes its hosts whole."""

    counts: tuple[int, ...]
    gpus: Gpus = Gpus.NONE
    whole: bool = False


class NoRoomError(LaunchError):
    """These hosts cannot hold the case, however free they are; the message says what is lacking."""


def wish(case: Case, rooms: Sequence[Room], attached: bool = False, firm: bool = False) -> Wish:
    """What a case needs. `attached`: it is a program that knows nothing of us. Raises NoRoomError.

    A case that says nothing of nodes takes one host if one can hold it, else it fills hosts in their order. If it has more
    ranks than there are slots it takes hosts whole; not if slots are `firm`. GPUs are not stretched.
    """
    gpus = _gpus(case, rooms, attached)
    sizes = [size(room, gpus) for room in rooms]
    there = sum(1 for free in sizes if free)
    if len(case.nodes) > there:
        raise NoRoomError(too_few_hosts(len(case.nodes), there, "" if gpus is Gpus.NONE else " with GPUs"))
    if gpus is Gpus.ONE and len(case.nodes) > 1:
        raise NoRoomError("ranks on several hosts need a GPU each, and the hosts have too few; --device cpu needs none")
    counts = (case.ranks,) if gpus is Gpus.ONE else case.nodes or _fill(case.ranks, sizes)
    whole = not fits(counts, sizes)
    if whole and firm:
        raise NoRoomError(_too_few(case, sizes, gpus))
    return Wish(counts, gpus, whole)


def size(room: Room, gpus: Gpus) -> int:
    """How many ranks a host holds when nothing else runs there."""
    if gpus in (Gpus.EACH, Gpus.SHARED):
        return len(room.gpus)
    return room.slots if room.gpus or gpus is Gpus.NONE else 0


def fits(counts: Sequence[int], sizes: Sequence[int]) -> bool:
    """Whether there is another place of at least that size for each count."""
    largest = sorted(sizes, reverse=True)
    return len(counts) <= len(sizes) and all(a <= b for a, b in zip(sorted(counts, reverse=True), largest, strict=False))


def _too_few(case: Case, sizes: Sequence[int], gpus: Gpus) -> str:
    """Why slots that must not be stretched do not do."""
    if gpus is Gpus.ONE:
        return (
            f"their {case.ranks} ranks share a GPU, and no host that has one has so many slots; more are given as name:slots"
        )
    return too_few_slots(case.nodes, case.ranks, sum(sizes))


def _gpus(case: Case, rooms: Sequence[Room], attached: bool) -> Gpus:
    numbers = [len(room.gpus) for room in rooms]
    if case.spec.get("device") != "cuda" or not any(numbers):
        return Gpus.NONE
    if attached:
        return Gpus.ALL
    enough = fits(case.nodes, numbers) if case.nodes else case.ranks <= sum(numbers)
    shared = (case.spec.get("gpu") or {}).get("plane") == "symm_mem"
    if shared or not enough:
        return Gpus.ONE
    return Gpus.SHARED if min(room.share for room in rooms) > 1 and is_modest(case) else Gpus.EACH


def is_modest(case: Case) -> bool:
    """Whether each rank surely takes little of its GPU's memory, whatever is free: other cases may then be there too."""
    budgets = (case.spec.get("gpu") or {}).get("memory_bytes")
    if budgets is not None:
        return bool(max(budgets) <= MODEST_BYTES)
    capacity = case.spec.get("kv_capacity") or {}
    if capacity.get("unit") == "bytes":
        return bool(max(capacity["per_rank"]) <= MODEST_BYTES)
    return capacity.get("unit") == "blocks"


def _fill(ranks: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """Ranks of each node. Those beyond all sizes fill the hosts once more."""
    if any(free >= ranks for free in sizes):
        return (ranks,)
    counts = [0] * len(sizes)
    while ranks:
        for number, free in enumerate(sizes):
            taken = min(free, ranks)
            counts[number] += taken
            ranks -= taken
    return tuple(filter(None, counts))
