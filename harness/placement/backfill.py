"""Whose turn it is, by EASY backfilling: who came first is served first, and nobody waits for ever. Pure.

The first case that finds no places reserves some. Those behind it may pass on places that it has not reserved, so that it
starts at the latest when the cases have ended that ran when it began to wait: whoever passes it cannot delay it.
"""

from __future__ import annotations

from collections.abc import Sequence

from lockstep.harness.placement.allocator import NodeSlots, allocate, reserve
from lockstep.harness.placement.capacity import HostCapacity
from lockstep.harness.placement.request import PlacementRequest


class Backfill:
    """The cases that wait, by their number, and those that run. `most`: how many may run at once."""

    def __init__(self, hosts: Sequence[HostCapacity], most: int, requests: Sequence[PlacementRequest]) -> None:
        self.waiting = list(range(len(requests)))
        self.running: dict[int, NodeSlots] = {}
        self._hosts = tuple(hosts)
        self._most = most
        self._requests = tuple(requests)
        self._reserved: NodeSlots = ()  # by the first that waits

    def next(self) -> tuple[int, NodeSlots] | None:
        """The next case that starts now, with its places; None when all that wait must wait."""
        if not self.waiting or len(self.running) >= self._most:
            return None
        taken = [slot for slots in self.running.values() for slot in slots]
        first, *others = self.waiting
        slots = allocate(self._hosts, taken, self._requests[first])
        if slots is not None:
            self._reserved = ()
            return self._start(first, slots)
        self._reserved = self._reserved or reserve(self._hosts, taken, self._requests[first])
        hopeless = {self._requests[first]}
        for number in others:
            request = self._requests[number]
            if request in hopeless:
                continue
            slots = allocate(self._hosts, (*taken, *self._reserved), request)
            if slots is not None:
                return self._start(number, slots)
            hopeless.add(request)
        return None

    def end(self, number: int) -> None:
        """A case has ended; its places are free."""
        del self.running[number]

    def _start(self, number: int, slots: NodeSlots) -> tuple[int, NodeSlots]:
        self.waiting.remove(number)
        self.running[number] = slots
        return number, slots
