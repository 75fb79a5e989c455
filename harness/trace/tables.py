"""The native recorder's tables: what a rank's events say so far, whatever part of them was overwritten.

They are copied as they were at one moment, under the word that is odd while somebody writes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lockstep.harness.trace import layout
from lockstep.harness.trace.event import RECORD
from lockstep.harness.trace.restoring import HEAD
from lockstep.harness.trace.ring import Ring

_SLOT = layout.SLOT_HEAD


class Copy(NamedTuple):
    """The tables as of one event."""

    number: int
    raw: bytes


def copied(ring: Ring, since: int) -> Copy | None:
    """All of them, with the rare events after number `since`; None: they were being written."""
    memory = ring.memory
    before, number = ring.written()
    if before % 2:
        return None
    comms, lanes, kept = (
        int(layout.U64.unpack_from(memory, at)[0]) for at in (layout.COMMS_USED, layout.LANES_USED, layout.KEPT_COUNT)
    )
    rare = _rare(memory, min(kept, layout.KEPT), since)
    slots = [_slot(memory, at) for at in range(min(ring.threads(), layout.SLOTS))]
    parts = [
        HEAD.pack(number, kept, len(rare) // RECORD.size, len(slots), comms, lanes),
        rare,
        *slots,
        memory[layout.ENTERED_AT : layout.ENTERED_AT + 8 * min(comms, layout.NATIVE_COMMS)],
        memory[layout.LANES_AT : layout.LANES_AT + layout.LANE.size * min(lanes, layout.LANES)],
    ]
    raw = b"".join(parts)
    return Copy(number, raw) if ring.written() == (before, number) else None


def threads_inside(memory: Any) -> set[int]:
    """The threads that are in a call of MPI whose wait is recorded, by the kernel's ids."""
    threads = int(layout.U64.unpack_from(memory, layout.THREADS)[0])
    heads = (_SLOT.unpack_from(memory, layout.SLOTS_AT + at * layout.SLOT_BYTES) for at in range(min(threads, layout.SLOTS)))
    return {tid for _, tid, inside, _ in heads if inside}


def _rare(memory: Any, kept: int, since: int) -> bytes:
    first = kept
    while first and _number(memory, first - 1) > since:
        first -= 1
    return bytes(memory[layout.KEPT_AT + first * RECORD.size : layout.KEPT_AT + kept * RECORD.size])


def _number(memory: Any, at: int) -> int:
    return int(layout.U64.unpack_from(memory, layout.KEPT_AT + (at + 1) * RECORD.size - 8)[0])


def _slot(memory: Any, number: int) -> bytes:
    at = layout.SLOTS_AT + number * layout.SLOT_BYTES
    *_, parts = _SLOT.unpack_from(memory, at)
    return bytes(memory[at : at + _SLOT.size + min(parts, layout.PARTS) * RECORD.size])
