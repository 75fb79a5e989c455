"""Makes a rank's state what the native recorder's tables say. No clock, no I/O.

It is the one that all events up to that moment would have made, but for the order of messages, which is not kept there.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from lockstep.harness.trace import folding, layout
from lockstep.harness.trace.event import RECORD, Kind, Record

if TYPE_CHECKING:
    from lockstep.harness.trace.state import RankState

HEAD = struct.Struct("<QQIIII")  # number, rare events in all, those that are here, slots, communicators, lanes


def restore(state: RankState, raw: bytes, string: Callable[[int], str]) -> None:
    """Make a state what its rank's events say. Raises ValueError, LookupError or struct.error where they are no tables."""
    number, kept, here, slots, comms, lanes = HEAD.unpack_from(raw, 0)
    at = HEAD.size + here * RECORD.size
    state.apply((Record._make(one) for one in RECORD.iter_unpack(raw[HEAD.size : at])), string)
    if kept > layout.KEPT:
        state.opaque.append("more of its events are lost than can be told")
    at = _restore_waits(state, raw, at, slots, string)
    for comm, entered in enumerate(struct.unpack_from(f"<{comms}Q", raw, at)):
        info = state.comms.get(comm)
        if info is not None and not info.device:
            state.entered[info.key] = max(state.entered.get(info.key, 0), entered)
    at += 8 * comms
    for lane in layout.LANE.iter_unpack(raw[at : at + lanes * layout.LANE.size]):
        _restore_lane(state, lane)
    state.order.lost = True
    if kept <= layout.KEPT:
        state.blind = False
    state.number = number


def _restore_waits(state: RankState, raw: bytes, at: int, slots: int, string: Callable[[int], str]) -> int:
    state.waiters.clear()
    state.parts.clear()
    for thread in range(slots):
        head, tid, _, parts = layout.SLOT_HEAD.unpack_from(raw, at)
        at += layout.SLOT_HEAD.size
        wait = Record._make(RECORD.unpack(head))
        rest = [Record._make(one) for one in RECORD.iter_unpack(raw[at : at + parts * RECORD.size])]
        at += parts * RECORD.size
        if not tid:
            continue  # that thread has ended
        state.waiters[thread] = None
        if wait.kind == Kind.ENTER:
            for record in (*rest, wait):
                folding.HANDLERS[record.kind](state, record, string)
    return at


def _restore_lane(state: RankState, lane: tuple[int, ...]) -> None:
    comm, peer, tag, sent, received, every, wild, cancelled, asked = lane
    info = state.comms[comm]
    key = (info.key, info.members[peer] if peer >= 0 else -1, tag)
    taken = state.taken
    for counts, count in (
        (state.sent, sent),
        (state.received, received),
        (taken.all, every),
        (taken.wild, wild),
        (taken.cancelled, cancelled),
        (taken.open, asked),
    ):
        if count or key in counts:
            counts[key] = count
