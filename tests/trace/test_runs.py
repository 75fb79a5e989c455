"""Members of a communicator in short: whatever they are, they come back as they were."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.ring import Ring, decode
from lockstep.harness.trace.runs import pack, unpack
from lockstep.harness.trace.state import CommInfo, RankState
from lockstep.harness.trace.writer import MAX_STRING

RANKS = st.one_of(
    st.lists(st.integers(0, 40), unique=True),
    st.builds(lambda first, count, step: list(range(first, first + count * step, step)), *[st.integers(1, 30)] * 3),
    st.builds(lambda a, b: [*range(a), *range(100, 100 + b)][::-1], st.integers(0, 20), st.integers(0, 20)),
)


@given(RANKS)
def test_members_come_back_in_their_order(ranks: list[int]) -> None:
    """Packing, JSON and unpacking give the same ranks in the same order; a plain list of an older log is read as well."""
    assert unpack(json.loads(json.dumps(pack(ranks)))) == tuple(ranks)
    assert unpack(ranks) == tuple(ranks)


def test_a_communicator_of_thousands_is_told_whole() -> None:
    """20,000 ranks in a row, and 15,000 in no order that could be said in short, are more than a string used to hold."""
    row = range(20_000)
    mixed = [rank * 7919 % 15_000 for rank in range(15_000)]
    ring = Ring(0, 20_000, 64)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
    recorder.comm("mpi", "row", row)
    recorder.comm("mpi", "mixed", mixed)
    delta = ring.read()
    state = RankState(0)
    state.apply(decode(delta.records), delta.strings.__getitem__)
    ring.close()
    assert [info.members for info in state.comms.values()] == [tuple(row), tuple(mixed)]
    assert not state.opaque
    assert len(delta.strings[2]) < 200 < MAX_STRING


def test_members_share_one_list() -> None:
    """What all members announce in the same words is kept once, however many they are."""
    text = json.dumps({"kind": "mpi", "name": "world", "members": pack(range(1000)), "instance": 1})
    assert CommInfo.parse(text) is CommInfo.parse(text)


def test_a_communicator_that_cannot_be_read_makes_its_rank_opaque() -> None:
    """A rank whose string table is full counts as running from then on; the watchdog goes on."""
    ring = Ring(0, 2, 64)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
    for number in range(layout.STRING_BYTES // 1000):
        recorder.string(f"{number:01000}")
    for number in range(100):  # into the rest
        recorder.string(f"{number:010}")
    comm = recorder.comm("mpi", "late", (0, 1))
    wait = recorder.collective(comm, "barrier")
    delta = ring.read()
    state = RankState(0)
    state.apply(decode(delta.records), delta.strings.__getitem__)
    wait.__exit__(None, None, None)
    ring.close()
    assert state.opaque
    assert state.runs
