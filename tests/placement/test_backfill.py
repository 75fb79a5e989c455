"""Places and turns: nothing is in two hands, places are found whenever there are some, and nobody waits for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lockstep.harness.placement.allocator import Seat, Seats, find
from lockstep.harness.placement.backfill import Turns
from lockstep.harness.placement.request import Gpus, NoRoomError, Room, Wish, size, wish
from tests.placement.test_request import one

ROOMS = st.tuples(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), min_size=1, max_size=3), st.integers(1, 3)).map(
    lambda drawn: tuple(
        Room(f"h{number}", slots, tuple(map(str, range(gpus))), share=drawn[1])
        for number, (slots, gpus) in enumerate(drawn[0])
    )
)


@st.composite
def wishes(draw: st.DrawFn, rooms: Sequence[Room], most: int) -> list[Wish]:
    """What cases of all kinds need of these hosts; those that they cannot hold are left out."""
    found = []
    for _ in range(draw(st.integers(1, most))):
        nodes = draw(st.lists(st.integers(1, 3), max_size=len(rooms)))
        ranks = sum(nodes) or draw(st.integers(1, 9))
        device, plane = draw(st.sampled_from(["cpu", "cuda"])), draw(st.sampled_from(["auto", "symm_mem"]))
        try:
            unit = draw(st.sampled_from(["blocks", "fraction"]))
            asking = one(ranks, *nodes, device=device, plane=plane, unit=unit)
            found.append(wish(asking, rooms, attached=draw(st.booleans())))
        except NoRoomError:
            continue
    assume(found)
    return found


def sound(rooms: Sequence[Room], held: Sequence[tuple[Wish, Seats]]) -> None:
    """No slot and no GPU is in two hands, but for GPUs that are to be shared; each has what it needs, on different hosts."""
    slots: Counter[int] = Counter()
    alone: list[tuple[int, str]] = []
    shared: set[tuple[int, str]] = set()
    modest: Counter[tuple[int, str]] = Counter()
    for wanted, seats in held:
        assert tuple(seat.ranks for seat in seats) == wanted.counts
        assert len({seat.room for seat in seats}) == len(seats)
        for seat in seats:
            room = rooms[seat.room]
            slots[seat.room] += seat.slots
            gpus = [(seat.room, name) for name in seat.gpus]
            assert set(seat.gpus) <= set(room.gpus)
            assert len(set(seat.gpus)) == len(seat.gpus)
            if seat.alone:
                alone += gpus
            else:
                shared.update(gpus)
            modest.update(gpus if wanted.gpus is Gpus.SHARED else ())
            if wanted.gpus in (Gpus.EACH, Gpus.SHARED):
                assert (len(seat.gpus), seat.alone) == (seat.ranks, wanted.gpus is Gpus.EACH)
            else:
                assert seat.slots == (room.slots if wanted.whole else seat.ranks)
                number = {Gpus.NONE: 0, Gpus.ONE: 1, Gpus.ALL: len(room.gpus)}[wanted.gpus]
                assert (len(seat.gpus), seat.alone) == (number, wanted.gpus is Gpus.ALL)
                assert number or wanted.gpus is Gpus.NONE
    assert all(slots[number] <= rooms[number].slots for number in slots)
    assert len(set(alone)) == len(alone)
    assert not set(alone) & shared
    assert all(count <= rooms[0].share for count in modest.values())


def there_is_room(rooms: Sequence[Room], taken: Sequence[Seat], wanted: Wish) -> bool:
    """By trying every way to put the nodes on hosts."""

    def holds(number: int, ranks: int) -> bool:
        room = rooms[number]
        here = [seat for seat in taken if seat.room == number]
        free = room.slots - sum(seat.slots for seat in here)
        unheld = set(room.gpus) - {name for seat in here for name in seat.gpus}
        modest = Counter(name for seat in here if not seat.slots for name in seat.gpus)
        unowned = set(room.gpus) - {name for seat in here if seat.alone for name in seat.gpus}
        slots = free == room.slots if wanted.whole else free >= ranks
        return {
            Gpus.NONE: slots,
            Gpus.EACH: len(unheld) >= ranks,
            Gpus.SHARED: sum(modest[name] < room.share for name in unowned) >= ranks,
            Gpus.ONE: slots and bool(unowned),
            Gpus.ALL: slots and bool(room.gpus) and unheld == set(room.gpus),
        }[wanted.gpus]

    sizes = [size(room, wanted.gpus) for room in rooms]
    largest = sorted(sizes, reverse=True)[: len(wanted.counts)]
    return any(
        all(map(holds, chosen, wanted.counts))
        for chosen in permutations(range(len(rooms)), len(wanted.counts))
        if not wanted.whole or sorted((sizes[number] for number in chosen), reverse=True) == largest
    )


@settings(max_examples=150, deadline=None)
@given(st.data(), ROOMS)
def test_places_are_found_when_there_are_some(data: st.DataObject, rooms: tuple[Room, ...]) -> None:
    """Whatever is taken: what is found is free, and nothing is overlooked."""
    held: list[tuple[Wish, Seats]] = []
    for wanted in data.draw(wishes(rooms, 8)):
        taken = [seat for _, seats in held for seat in seats]
        seats = find(rooms, taken, wanted)
        assert (seats is not None) == there_is_room(rooms, taken, wanted)
        assert held or seats is not None  # what was promised fits alone
        if seats is not None:
            held.append((wanted, seats))
            sound(rooms, held)
        number = data.draw(st.integers(0, 2 * len(held)))
        del held[number : number + 1]


@settings(max_examples=150, deadline=None)
@given(st.data(), ROOMS, st.integers(1, 4))
def test_everybody_has_a_turn(data: st.DataObject, rooms: tuple[Room, ...], most: int) -> None:
    """However cases end: all run, never more at once than allowed, and no place is in two hands; at the end all are free.

    Who waits first starts at the latest when those have ended that ran when it began to wait, whoever passes it.
    """
    every = data.draw(wishes(rooms, 12))
    turns = Turns(rooms, most, every)
    done: list[int] = []
    waited: dict[int, set[int]] = {}  # who waited first -> the cases that ran then and still do
    while turns.waiting or turns.running:
        while (turn := turns.next()) is not None:
            number, seats = turn
            assert turns.running[number] == seats
            assert len(turns.running) <= most
            sound(rooms, [(every[one], turns.running[one]) for one in turns.running])
        assert turns.running
        if turns.waiting:
            assert len(turns.running) == most or turns.waiting[0] in waited or find_none(rooms, turns, every)
            waited.setdefault(turns.waiting[0], set(turns.running))
            assert waited[turns.waiting[0]]
        ended = data.draw(st.sampled_from(sorted(turns.running)))
        turns.end(ended)
        done.append(ended)
        for before in waited.values():
            before.discard(ended)
    assert sorted(done) == list(range(len(every)))


def find_none(rooms: Sequence[Room], turns: Turns, every: Sequence[Wish]) -> bool:
    """Whether there is no room for the first that waits."""
    taken = [seat for seats in turns.running.values() for seat in seats]
    return not there_is_room(rooms, taken, every[turns.waiting[0]])


def test_small_cases_pass_where_they_do_not_delay() -> None:
    """Of two hosts the big case waits for one; small cases go to the other, and none gets between it and its host."""
    rooms = (Room("a", 4), Room("b", 2))
    turns = Turns(rooms, 9, [Wish((3,)), Wish((4,)), *[Wish((1,))] * 4])
    assert [turn[0] for turn in iter(turns.next, None)] == [0, 2, 3]
    assert {turns.running[2][0].room, turns.running[3][0].room} == {1}
    turns.end(2)
    assert turns.next() == (4, (Seat(1, 1, 1),))
    turns.end(0)
    assert turns.next() == (1, (Seat(0, 4, 4),))


def test_two_of_four_ranks_on_eight_gpus() -> None:
    """Two 4-rank cases run side by side on eight GPUs, each on four of its own; who needs all of them waits for them."""
    rooms = (Room("a", 64, tuple("01234567")),)
    turns = Turns(rooms, 9, [Wish((4,), Gpus.EACH), Wish((8,), Gpus.EACH), Wish((4,), Gpus.EACH), Wish((4,), Gpus.EACH)])
    assert turns.next() == (0, (Seat(0, 4, 0, tuple("0123"), alone=True),))
    assert turns.next() is None  # the second four GPUs are reserved by the case of eight
    turns.end(0)
    assert turns.next() == (1, (Seat(0, 8, 0, tuple("01234567"), alone=True),))
    turns.end(1)
    assert [turns.next(), turns.next()] == [
        (2, (Seat(0, 4, 0, tuple("0123"), alone=True),)), (3, (Seat(0, 4, 0, tuple("4567"), alone=True),)),
    ]  # fmt: skip


def test_cases_that_share_are_spread() -> None:
    """Cases whose ranks share a GPU go to the one with the fewest of them."""
    room = Room("a", 8, ("0", "1"))
    seats: list[Seat] = []
    for _ in range(3):
        seats += find((room,), seats, Wish((2,), Gpus.ONE)) or ()
    assert [seat.gpus for seat in seats] == [("0",), ("1",), ("0",)]
    assert find((room,), seats, Wish((1,), Gpus.EACH)) is None


def test_small_cases_share_gpus() -> None:
    """Small cases with a GPU a rank are spread over the GPUs, as many to each as are allowed; others want theirs alone."""
    room = Room("a", 8, ("0", "1"), share=2)
    seats: list[Seat] = []
    for ranks in (1, 1, 2, 1):
        seats += find((room,), seats, Wish((ranks,), Gpus.SHARED)) or ()
    assert [seat.gpus for seat in seats] == [("0",), ("1",), ("0", "1")]
    assert find((room,), seats[:1], Wish((2,), Gpus.EACH)) is None
    assert find((room,), seats[:1], Wish((1,), Gpus.EACH)) == (Seat(0, 1, 0, ("1",), alone=True),)


def test_cases_whose_ranks_share_one_gpu_do_not_delay_a_small_one() -> None:
    """A small case that waits for a GPU starts when one of its kind has ended, whoever else came there meanwhile."""
    room = Room("a", 8, ("0",), share=2)
    turns = Turns((room,), 9, [Wish((1,), Gpus.SHARED)] * 3 + [Wish((2,), Gpus.ONE)] * 3)
    assert [turn[0] for turn in iter(turns.next, None)] == [0, 1, 3, 4, 5]
    turns.end(0)
    assert turns.next() == (2, (Seat(0, 1, 0, ("0",)),))


@pytest.mark.parametrize("count", [1, 2])
def test_wishes_of_other_hosts_are_refused(count: int) -> None:
    """A wish that was made for other hosts is no reason to wait for ever."""
    with pytest.raises(ValueError, match="was made for other hosts"):
        Turns((Room("a", 1),), 2, [Wish((2,) * count)]).next()
