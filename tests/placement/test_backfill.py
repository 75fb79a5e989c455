"""Places and turns: nothing is in two hands, places are found whenever there are some, and nobody waits for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lockstep.harness.placement.allocator import NodeSlot, NodeSlots, allocate
from lockstep.harness.placement.backfill import Backfill
from lockstep.harness.placement.capacity import Capacity, Gpus, HostCapacity
from lockstep.harness.placement.request import PlacementRequest
from tests.placement.test_request import one, program

HOSTS = st.tuples(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=3), st.integers(1, 3)).map(
    lambda drawn: tuple(
        HostCapacity(f"h{number}", slots, tuple(map(str, range(gpus))), share=drawn[1])
        for number, (slots, gpus) in enumerate(drawn[0])
    )
)


@st.composite
def requests(draw: st.DrawFn, hosts: Sequence[HostCapacity], most: int) -> list[PlacementRequest]:
    """What cases of all kinds need of these hosts; those that they cannot hold are left out."""
    found = []
    for _ in range(draw(st.integers(1, most))):
        nodes = draw(st.lists(st.integers(1, 3), max_size=len(hosts)))
        ranks = sum(nodes) or draw(st.integers(1, 9))
        device, plane = draw(st.sampled_from(["cpu", "cuda"])), draw(st.sampled_from(["auto", "symm_mem"]))
        unit = draw(st.sampled_from(["blocks", "fraction"]))
        asking = one(ranks, *nodes, device=device, plane=plane, unit=unit)
        if draw(st.booleans()):
            asking = replace(program(ranks, device), nodes=asking.nodes)
        request = PlacementRequest.of(asking, Capacity(tuple(hosts), strict_slots=False))
        found += [request] if isinstance(request, PlacementRequest) else []
    assume(found)
    return found


def sound(hosts: Sequence[HostCapacity], held: Sequence[tuple[PlacementRequest, NodeSlots]]) -> None:
    """No slot and no GPU is in two hands, but for GPUs that are to be shared; each has what it needs, on different hosts."""
    used: Counter[int] = Counter()
    alone: list[tuple[int, str]] = []
    shared: set[tuple[int, str]] = set()
    modest: Counter[tuple[int, str]] = Counter()
    for wanted, slots in held:
        assert tuple(slot.ranks for slot in slots) == wanted.counts
        assert len({slot.host for slot in slots}) == len(slots)
        for slot in slots:
            room = hosts[slot.host]
            used[slot.host] += slot.slots
            gpus = [(slot.host, name) for name in slot.gpus]
            assert set(slot.gpus) <= set(room.gpus)
            assert len(set(slot.gpus)) == len(slot.gpus)
            if slot.alone:
                alone += gpus
            else:
                shared.update(gpus)
            modest.update(gpus if wanted.gpus is Gpus.SHARED else ())
            if wanted.gpus in (Gpus.EACH, Gpus.SHARED):
                assert (len(slot.gpus), slot.alone) == (slot.ranks, wanted.gpus is Gpus.EACH)
            else:
                assert slot.slots == (room.slots if wanted.oversubscribed else slot.ranks)
                number = {Gpus.NONE: 0, Gpus.ONE: 1, Gpus.ALL: len(room.gpus)}[wanted.gpus]
                assert (len(slot.gpus), slot.alone) == (number, wanted.gpus is Gpus.ALL)
                assert number or wanted.gpus is Gpus.NONE
    assert all(used[number] <= hosts[number].slots for number in used)
    assert len(set(alone)) == len(alone)
    assert not set(alone) & shared
    assert all(count <= hosts[0].share for count in modest.values())


def there_is_room(hosts: Sequence[HostCapacity], taken: Sequence[NodeSlot], wanted: PlacementRequest) -> bool:
    """By trying every way to put the nodes on hosts."""

    def holds(number: int, ranks: int) -> bool:
        room = hosts[number]
        here = [slot for slot in taken if slot.host == number]
        free = room.slots - sum(slot.slots for slot in here)
        unheld = set(room.gpus) - {name for slot in here for name in slot.gpus}
        modest = Counter(name for slot in here if not slot.slots for name in slot.gpus)
        unowned = set(room.gpus) - {name for slot in here if slot.alone for name in slot.gpus}
        slots = free == room.slots if wanted.oversubscribed else free >= ranks
        return {
            Gpus.NONE: slots,
            Gpus.EACH: len(unheld) >= ranks,
            Gpus.SHARED: sum(modest[name] < room.share for name in unowned) >= ranks,
            Gpus.ONE: slots and bool(unowned),
            Gpus.ALL: slots and bool(room.gpus) and unheld == set(room.gpus),
        }[wanted.gpus]

    sizes = [room.ranks(wanted.gpus) for room in hosts]
    largest = sorted(sizes, reverse=True)[: len(wanted.counts)]
    return any(
        all(map(holds, chosen, wanted.counts))
        for chosen in permutations(range(len(hosts)), len(wanted.counts))
        if not wanted.oversubscribed or sorted((sizes[number] for number in chosen), reverse=True) == largest
    )


@settings(max_examples=150, deadline=None)
@given(st.data(), HOSTS)
def test_places_are_found_when_there_are_some(data: st.DataObject, hosts: tuple[HostCapacity, ...]) -> None:
    """Whatever is taken: what is found is free, and nothing is overlooked."""
    held: list[tuple[PlacementRequest, NodeSlots]] = []
    for wanted in data.draw(requests(hosts, 8)):
        taken = [slot for _, slots in held for slot in slots]
        slots = allocate(hosts, taken, wanted)
        assert (slots is not None) == there_is_room(hosts, taken, wanted)
        assert held or slots is not None  # what was promised fits alone
        if slots is not None:
            held.append((wanted, slots))
            sound(hosts, held)
        number = data.draw(st.integers(0, 2 * len(held)))
        del held[number : number + 1]


@settings(max_examples=150, deadline=None)
@given(st.data(), HOSTS, st.integers(1, 4))
def test_everybody_has_a_turn(data: st.DataObject, hosts: tuple[HostCapacity, ...], most: int) -> None:
    """However cases end: all run, never more at once than allowed, and no place is in two hands; at the end all are free.

    Who waits first starts at the latest when those have ended that ran when it began to wait, whoever passes it.
    """
    every = data.draw(requests(hosts, 12))
    turns = Backfill(hosts, most, every)
    done: list[int] = []
    waited: dict[int, set[int]] = {}  # who waited first -> the cases that ran then and still do
    while turns.waiting or turns.running:
        while (turn := turns.next()) is not None:
            number, slots = turn
            assert turns.running[number] == slots
            assert len(turns.running) <= most
            sound(hosts, [(every[one], turns.running[one]) for one in turns.running])
        assert turns.running
        if turns.waiting:
            assert len(turns.running) == most or turns.waiting[0] in waited or find_none(hosts, turns, every)
            waited.setdefault(turns.waiting[0], set(turns.running))
            assert waited[turns.waiting[0]]
        ended = data.draw(st.sampled_from(sorted(turns.running)))
        turns.end(ended)
        done.append(ended)
        for before in waited.values():
            before.discard(ended)
    assert sorted(done) == list(range(len(every)))


def find_none(hosts: Sequence[HostCapacity], turns: Backfill, every: Sequence[PlacementRequest]) -> bool:
    """Whether there is no room for the first that waits."""
    taken = [slot for slots in turns.running.values() for slot in slots]
    return not there_is_room(hosts, taken, every[turns.waiting[0]])


def test_small_cases_pass_where_they_do_not_delay() -> None:
    """Of two hosts the big case waits for one; small cases go to the other, and none gets between it and its host."""
    hosts = (HostCapacity("a", 4), HostCapacity("b", 2))
    turns = Backfill(hosts, 9, [PlacementRequest((3,)), PlacementRequest((4,)), *[PlacementRequest((1,))] * 4])
    assert [turn[0] for turn in iter(turns.next, None)] == [0, 2, 3]
    assert {turns.running[2][0].host, turns.running[3][0].host} == {1}
    turns.end(2)
    assert turns.next() == (4, (NodeSlot(1, 1, 1),))
    turns.end(0)
    assert turns.next() == (1, (NodeSlot(0, 4, 4),))


def test_two_of_four_ranks_on_eight_gpus() -> None:
    """Two 4-rank cases run side by side on eight GPUs, each on four of its own; who needs all of them waits for them."""
    hosts = (HostCapacity("a", 64, tuple("01234567")),)
    turns = Backfill(
        hosts,
        9,
        [
            PlacementRequest((4,), Gpus.EACH),
            PlacementRequest((8,), Gpus.EACH),
            PlacementRequest((4,), Gpus.EACH),
            PlacementRequest((4,), Gpus.EACH),
        ],
    )
    assert turns.next() == (0, (NodeSlot(0, 4, 0, tuple("0123"), alone=True),))
    assert turns.next() is None  # the second four GPUs are reserved by the case of eight
    turns.end(0)
    assert turns.next() == (1, (NodeSlot(0, 8, 0, tuple("01234567"), alone=True),))
    turns.end(1)
    assert [turns.next(), turns.next()] == [
        (2, (NodeSlot(0, 4, 0, tuple("0123"), alone=True),)), (3, (NodeSlot(0, 4, 0, tuple("4567"), alone=True),)),
    ]  # fmt: skip


def test_cases_that_share_are_spread() -> None:
    """Cases whose ranks share a GPU go to the one with the fewest of them."""
    room = HostCapacity("a", 8, ("0", "1"))
    slots: list[NodeSlot] = []
    for _ in range(3):
        slots += allocate((room,), slots, PlacementRequest((2,), Gpus.ONE)) or ()
    assert [slot.gpus for slot in slots] == [("0",), ("1",), ("0",)]
    assert allocate((room,), slots, PlacementRequest((1,), Gpus.EACH)) is None


def test_small_cases_share_gpus() -> None:
    """Small cases with a GPU a rank are spread over the GPUs, as many to each as are allowed; others want theirs alone."""
    room = HostCapacity("a", 8, ("0", "1"), share=2)
    slots: list[NodeSlot] = []
    for ranks in (1, 1, 2, 1):
        slots += allocate((room,), slots, PlacementRequest((ranks,), Gpus.SHARED)) or ()
    assert [slot.gpus for slot in slots] == [("0",), ("1",), ("0", "1")]
    assert allocate((room,), slots[:1], PlacementRequest((2,), Gpus.EACH)) is None
    assert allocate((room,), slots[:1], PlacementRequest((1,), Gpus.EACH)) == (NodeSlot(0, 1, 0, ("1",), alone=True),)


def test_cases_whose_ranks_share_one_gpu_do_not_delay_a_small_one() -> None:
    """A small case that waits for a GPU starts when one of its kind has ended, whoever else came there meanwhile."""
    room = HostCapacity("a", 8, ("0",), share=2)
    turns = Backfill((room,), 9, [PlacementRequest((1,), Gpus.SHARED)] * 3 + [PlacementRequest((2,), Gpus.ONE)] * 3)
    assert [turn[0] for turn in iter(turns.next, None)] == [0, 1, 3, 4, 5]
    turns.end(0)
    assert turns.next() == (2, (NodeSlot(0, 1, 0, ("0",)),))


@pytest.mark.parametrize("count", [1, 2])
def test_requests_of_other_hosts_are_refused(count: int) -> None:
    """A wish that was made for other hosts is no reason to wait for ever."""
    with pytest.raises(ValueError, match="was made for other hosts"):
        Backfill((HostCapacity("a", 1),), 2, [PlacementRequest((2,) * count)]).next()
