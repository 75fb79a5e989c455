"""What a case asks of the hosts of a run: how many ranks on how many of them, and which part of their GPUs. Pure.

It depends on the hosts alone and not on what else runs, so that a case is dealt in the same way whenever it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lockstep.harness.placement.capacity import Capacity, Gpus
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine
from lockstep.harness.scenario.engine_base import Resources
from lockstep.harness.scenario.errors import ScenarioError


@dataclass(frozen=True, slots=True)
class Lack:
    """These hosts cannot hold the case, however free they are; `text`: what is lacking, of "they", the cases."""

    text: str

    def error(self, case: Case) -> ScenarioError:
        """What is told of a case that has to run."""
        return ScenarioError(f"case {case.id} cannot be run: {self.text}")


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """Ranks of each node, each on another host. `oversubscribed`: more ranks than slots, so it takes its hosts whole."""

    counts: tuple[int, ...]
    gpus: Gpus = Gpus.NONE
    oversubscribed: bool = False

    @staticmethod
    def of(case: Case, capacity: Capacity) -> PlacementRequest | Lack:
        """What a case asks of these hosts.

        A case that says nothing of nodes takes one host if one can hold it, else it fills hosts in their order. If it has
        more ranks than there are slots it takes hosts whole; not if slots are strict. GPUs are not stretched.
        """
        wanted = find_engine(case.engine).resources(case.spec)
        if wanted.here_only and not capacity.only_here:
            return Lack(f"{wanted.here_only}; leave out --hosts")
        gpus = _gpus(case, wanted, capacity)
        if isinstance(gpus, Lack):
            return gpus
        sizes = [host.ranks(gpus) for host in capacity.hosts]
        there = sum(1 for free in sizes if free)
        if len(case.nodes) > there:
            return Lack(_too_few_hosts(len(case.nodes), there, "" if gpus is Gpus.NONE else " with GPUs"))
        if gpus is Gpus.ONE and len(case.nodes) > 1:
            return Lack("ranks on several hosts need a GPU each, and the hosts have too few; --device cpu needs none")
        counts = (case.ranks,) if gpus is Gpus.ONE else case.nodes or _filled(case.ranks, sizes)
        oversubscribed = not fits(counts, sizes)
        if oversubscribed and capacity.strict_slots:
            return Lack(_too_few_slots(case, sizes, gpus))
        return PlacementRequest(counts, gpus, oversubscribed)


def fits(counts: Sequence[int], sizes: Sequence[int]) -> bool:
    """Whether there is another place of at least that size for each count."""
    largest = sorted(sizes, reverse=True)
    return len(counts) <= len(sizes) and all(a <= b for a, b in zip(sorted(counts, reverse=True), largest, strict=False))


def _gpus(case: Case, wanted: Resources, capacity: Capacity) -> Gpus | Lack:
    numbers = [len(host.gpus) for host in capacity.hosts]
    if case.spec.get("device") != "cuda" or not any(numbers):
        return Gpus.NONE
    if wanted.gpus == "all":
        return Gpus.ALL
    enough = fits(case.nodes, numbers) if case.nodes else case.ranks <= sum(numbers)
    if wanted.gpus == "one" or (wanted.gpus == "each-or-one" and not enough):
        return Gpus.ONE
    if not enough:
        lack = f"their {case.ranks} ranks need a GPU each, and the hosts have {sum(numbers)}"
        return Lack(f"{lack}; --device cpu needs none")
    return Gpus.SHARED if wanted.share and min(host.share for host in capacity.hosts) > 1 else Gpus.EACH


def _filled(ranks: int, sizes: Sequence[int]) -> tuple[int, ...]:
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


def _too_few_hosts(needed: int, there: int, kind: str) -> str:
    """`kind`: what the hosts need to have to count, with a space before it."""
    are = "is 1 host" if there == 1 else f"are {there} hosts"
    return f"they need {needed} hosts, and there {are}{kind}; --hosts names more"


def _too_few_slots(case: Case, sizes: Sequence[int], gpus: Gpus) -> str:
    """Why slots that must not be stretched do not do."""
    if gpus is Gpus.ONE:
        return (
            f"their {case.ranks} ranks share a GPU, and no host that has one has so many slots; more are given as name:slots"
        )
    if case.nodes:
        slots = " and ".join(map(str, sorted(case.nodes, reverse=True)))
        return f"they need {'a host' if len(case.nodes) == 1 else 'hosts'} with {slots} slots; more are given as name:slots"
    return f"they need {case.ranks} slots, and the hosts have {sum(sizes)}; more are given as name:slots"
