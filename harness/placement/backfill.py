"""Whose turn it is: who came first is served first, and nobody waits for ever. Pure.

The first case that finds no places reserves some. Those behind it may pass on places that it has not reserved, so that it
starts at the latest when the cases have ended that ran when it began to wait: whoever passes it cannot delay it.
"""

from __future__ import annotations

from collections.abc import Sequence

from lockstep.harness.placement.allocator import Seats, find, reserve
from lockstep.harness.placement.request import Room, Wish


class Turns:
    """The cases that wait, by their number, and those that run. `most`: how many may run at once."""

    def __init__(self, rooms: Sequence[Room], most: int, wishes: Sequence[Wish]) -> None:
        self.waiting = list(range(len(wishes)))
        self.running: dict[int, Seats] = {}
        self._rooms = tuple(rooms)
        self._most = most
        self._wishes = tuple(wishes)
        self._reserved: Seats = ()  # by the first that waits

    def next(self) -> tuple[int, Seats] | None:
        """The next case that starts now, with its places; None when all that wait must wait."""
        if not self.waiting or len(self.running) >= self._most:
            return None
        taken = [seat for seats in self.running.values() for seat in seats]
        first, *others = self.waiting
        seats = find(self._rooms, taken, self._wishes[first])
        if seats is not None:
            self._reserved = ()
            return self._start(first, seats)
        self._reserved = self._reserved or reserve(self._rooms, taken, self._wishes[first])
        hopeless = {self._wishes[first]}
        for number in others:
            wish = self._wishes[number]
            if wish not in hopeless and (seats := find(self._rooms, (*taken, *self._reserved), wish)) is not None:
                return self._start(number, seats)
            hopeless.add(wish)
        return None

    def end(self, number: int) -> None:
        """A case has ended; its places are free."""
        del self.running[number]

    def _start(self, number: int, seats: Seats) -> tuple[int, Seats]:
        self.waiting.remove(number)
        self.running[number] = seats
        return number, seats
