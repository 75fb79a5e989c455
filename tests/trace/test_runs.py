"""Members of a communicator in short: whatever they are, they come back as they were."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.ring import Ring, decode
from lockstep.harness.trace.runs import MOST, pack, unpack
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


@given(st.lists(st.tuples(*[st.integers(-3, 12)] * 2, st.integers(-3, 3)), max_size=4))
def test_what_others_wrote_is_ranks_or_refused(parts: list[tuple[int, int, int]]) -> None:
    """Whatever runs a log or a ring has: no rank is below 0, and a step of none is no run."""
    try:
        found = unpack([list(part) for part in parts])
    except ValueError:
        assert any(min(first, last) < 0 or step == 0 for first, last, step in parts)
    else:
        assert all(rank >= 0 for rank in found)
        assert all(step for _, _, step in parts)


def test_a_run_too_long_is_refused() -> None:
    """Of one run, and of several together, before all of it is made."""
    refused: list[list[int | list[int]]] = [[[0, MOST, 1]], [MOST], [-1], [[-5, 3, 1]], [[0, MOST - 1, 1], 1]]
    for packed in refused:
        with pytest.raises(ValueError, match="case"):
            unpack(packed)
    assert len(unpack([[0, 1 << 16, 1], [1 << 17, 0, -2]])) == (1 << 17) + 2


def test_short_runs_are_written_out() -> None:
    """Two ranks are two numbers; three with one step are a run, forwards and backwards."""
    assert pack(()) == []
    assert pack((3, 4)) == [3, 4]
    assert pack((3, 4, 5)) == [[3, 5, 1]]
    assert pack((5, 3, 1, 7)) == [[5, 1, -2], 7]
    assert pack((0, 1, 3)) == [0, 1, 3]


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
