"""What is copied of the native recorder's tables, from memory that was written by hand."""

from __future__ import annotations

from typing import Any, cast

import pytest

from lockstep.harness.trace import layout
from lockstep.harness.trace.event import RECORD, Kind, Record
from lockstep.harness.trace.restoring import HEAD
from lockstep.harness.trace.ring import Ring
from lockstep.harness.trace.tables import copied, threads_inside

SLOTS = ((101, 0, 0), (102, 1, 2), (103, 1, 0))  # of threads: the kernel's id, inside, parts


class Told:
    """A ring with such tables: rare events with these numbers, as of event 40."""

    def __init__(self, *numbers: int) -> None:
        self.memory = bytearray(layout.NATIVE_BYTES)
        self.locks = [2, 2]
        for at, value in ((layout.THREADS, len(SLOTS)), (layout.COMMS_USED, 2), (layout.LANES_USED, 1)):
            layout.U64.pack_into(self.memory, at, value)
        layout.U64.pack_into(self.memory, layout.KEPT_COUNT, len(numbers))
        for at, number in enumerate(numbers):
            RECORD.pack_into(self.memory, layout.KEPT_AT + at * RECORD.size, *self.record(number))
        for at, slot in enumerate(SLOTS):
            layout.SLOT_HEAD.pack_into(self.memory, layout.SLOTS_AT + at * layout.SLOT_BYTES, b"", *slot)

    @staticmethod
    def record(number: int) -> Record:
        """A communicator that was announced."""
        return Record(**{**dict.fromkeys(Record._fields, 0), "kind": int(Kind.COMM), "number": number})

    def written(self) -> tuple[int, int]:
        """The lock and the last event."""
        return self.locks.pop(0), 40

    def threads(self) -> int:
        """As many as there are slots."""
        return len(SLOTS)


@pytest.mark.parametrize(("since", "numbers"), [(0, (3, 8, 21)), (3, (8, 21)), (7, (8, 21)), (8, (21,)), (21, ()), (40, ())])
def test_rare_events_since_the_last_time(since: int, numbers: tuple[int, ...]) -> None:
    """Those with a higher number, in order; then the slots with their parts, communicators and lanes."""
    ring = Told(3, 8, 21)
    found = copied(cast(Ring, ring), since)
    assert found is not None
    assert HEAD.unpack_from(found.raw) == (40, 3, len(numbers), len(SLOTS), 2, 1)
    rare = found.raw[HEAD.size : HEAD.size + len(numbers) * RECORD.size]
    assert [Record._make(one).number for one in RECORD.iter_unpack(rare)] == list(numbers)
    slots = len(SLOTS) * layout.SLOT_HEAD.size + 2 * RECORD.size
    assert len(found.raw) == HEAD.size + len(rare) + slots + 2 * layout.U64.size + layout.LANE.size


@pytest.mark.parametrize("locks", [[3, 3], [2, 4]])
def test_nothing_is_copied_while_somebody_writes(locks: list[int]) -> None:
    """An odd lock says so at once, and another one afterwards."""
    ring = Told(3)
    ring.locks = locks
    assert copied(cast(Ring, ring), 0) is None


def test_threads_inside_of_a_call() -> None:
    """By the kernel's ids; of a word that counts more threads than there are slots those that have one."""
    memory: Any = Told().memory
    assert threads_inside(memory) == {102, 103}
    layout.U64.pack_into(memory, layout.THREADS, layout.SLOTS + 5)
    assert threads_inside(memory) == {102, 103}
    layout.U64.pack_into(memory, layout.THREADS, 2)
    assert threads_inside(memory) == {102}
