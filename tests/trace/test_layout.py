"""Where everything lies in a ring: nothing on top of another thing, and numbers that readers of other versions rely on."""

from __future__ import annotations

from itertools import pairwise

from lockstep.harness.trace import layout
from lockstep.harness.trace.event import RECORD, Kind, Need, Took

WORDS = (
    layout.PID, layout.STRINGS_USED, layout.THREADS, layout.RELEASE, layout.ACKNOWLEDGED, layout.LOCK, layout.LAST,
    layout.NATIVE, layout.PYTHON, layout.COMMS_USED, layout.LANES_USED, layout.KEPT_COUNT, layout.HANDLERS,
)  # fmt: skip


def test_nothing_lies_on_top_of_another_thing() -> None:
    """Words are whole ones of their own behind the header; each table ends before the next begins."""
    assert layout.HEADER.size <= min(WORDS)
    assert all(at % layout.U64.size == 0 for at in WORDS)
    assert len(set(WORDS)) == len(WORDS)
    capacity = layout.DEFAULT_CAPACITY
    tables = [
        (max(WORDS), layout.U64.size),
        (layout.COMM_TABLE, layout.COMMS * layout.U64.size),
        (layout.BREADCRUMB_TABLE, layout.BREADCRUMBS * layout.U64.size),
        (layout.STRINGS, layout.STRING_BYTES),
        (layout.RECORDS, capacity * RECORD.size),
        (layout.SLOTS_AT, layout.SLOTS * layout.SLOT_BYTES),
        (layout.ENTERED_AT, layout.NATIVE_COMMS * layout.U64.size),
        (layout.LANES_AT, layout.LANES * layout.LANE.size),
        (layout.KEPT_AT, layout.KEPT * RECORD.size),
        (layout.NATIVE_BYTES, 0),
    ]
    for (at, size), (after, _) in pairwise(tables):
        assert at + size <= after
        assert after % layout.U64.size == 0
    assert layout.ring_bytes(capacity) == layout.SLOTS_AT
    assert layout.BREADCRUMB_TABLE % 4096 == layout.STRINGS % 4096 == 0  # the device maps whole pages, and no strings


def test_the_numbers_of_kinds_stay() -> None:
    """Logs are read by later versions, and rings by supervisors of another one: a number never gets another meaning."""
    assert {kind.name: kind.value for kind in Kind} == {
        "COMM": 1, "ENTER": 2, "EXIT": 3, "POST": 4, "PHASE": 5, "SHAPE": 6, "DECISION": 7, "MILESTONE": 8, "RAISED": 9,
        "RETURNED": 10, "ABORT": 11, "WAITER": 12, "WAITER_END": 13, "RESULT": 14, "PARKED": 15, "LAUNCH": 16,
        "MANIFEST": 17, "ENVIRONMENT": 18, "ERROR": 19, "UNABLE": 21, "JOIN": 22, "OPAQUE": 23, "LEAVING": 24,
        "STATUS": 25, "TOOK": 26, "CANCEL": 27, "PART": 28, "LEFT": 29, "LIMIT": 30,
    }  # fmt: skip
    assert [need.name for need in sorted(Need)] == [
        "ALL", "ROOT", "NOBODY", "RECV", "SSEND", "STREAM", "TIMED", "COME", "BELOW", "PROBE", "EITHER", "EVERY", "HOLDERS",
    ]  # fmt: skip
    assert [need.value for need in sorted(Need)] == list(range(len(Need)))
    assert [took.value for took in (Took.NAMED, Took.WILD, Took.PROBED)] == [1, 2, 3]
