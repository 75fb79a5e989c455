"""The native recorder's ring: every event is there in order, and its tables say what all of them say."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lockstep.harness.supervisor.native_reader import BURST, NativeReader
from lockstep.harness.supervisor.ring_socket import Handover
from lockstep.harness.trace.event import Kind
from lockstep.harness.trace.ring import decode
from lockstep.harness.trace.state import RankState
from lockstep.harness.trace.tables import copied
from tests.native.recorder import HERE, library, recorded


def written(seed: int, events: int, threads: int, folder: Path) -> Handover:
    """The ring of a process that wrote so many events in each of so many threads, and has ended."""
    words = [sys.executable, str(HERE / "programs" / "one_writer.py"), str(library()), str(seed), str(events), str(threads)]
    code, came = recorded(words, folder)
    assert code == 0
    return came[0]


def close(came: Handover) -> None:
    """Let go of it."""
    came.line.close()
    came.ring.close()


def told(state: RankState) -> tuple[object, ...]:
    """What is compared of two states; a count of 0 is none."""
    taken = state.taken
    counts = (state.sent, state.received, taken.all, taken.wild, taken.open, taken.cancelled)
    return (
        state.number, state.waiters, state.entered, state.opaque,
        *({key: count for key, count in one.items() if count} for one in counts),
    )  # fmt: skip


@pytest.mark.parametrize(("seed", "threads"), [(1, 1), (2, 1), (3, 4), (4, 8)])
def test_tables_say_what_all_events_say(seed: int, threads: int, tmp_path: Path) -> None:
    """A state that is restored from the tables is the one that every event, folded one by one, has made."""
    came = written(seed, 300, threads, tmp_path)
    tables = copied(came.ring, 0)
    delta = came.ring.read()
    assert tables is not None
    assert not delta.lost
    records = decode(delta.records)
    assert [record.number for record in records] == list(range(1, tables.number + 1))
    folded, restored = RankState(0), RankState(0)
    folded.apply(records, delta.strings.__getitem__)
    restored.restore(tables.raw, delta.strings.__getitem__)
    assert told(restored) == told(folded)
    assert restored.order.lost
    assert folded.sent
    assert folded.taken.wild
    assert {record.thread for record in records if record.kind == Kind.WAITER} == set(range(threads))
    close(came)


def test_a_rank_that_races_is_let_go_and_found_where_it_rests(tmp_path: Path) -> None:
    """More events than are followed: it counts as running until its tables are read, and then stands where it stands."""
    came = written(5, BURST, 1, tmp_path)
    reader = NativeReader(came.ring, 0)
    first = reader.delta()
    assert first is not None
    assert first.lost > BURST
    state = RankState(0)
    state.overrun(first.lost, first.entered.__getitem__, first.threads)
    assert state.blind
    assert state.runs
    second = None
    while second is None or not second.tables:
        second = reader.delta()
    state.restore(second.tables, (first.strings + second.strings).__getitem__)
    assert not state.blind
    assert state.number == came.ring.written()[1]
    assert state.sent
    close(came)


def test_what_is_no_table_makes_the_rank_opaque() -> None:
    """Tables come from the program's own memory: whatever stands there, the rank is then never called stuck."""
    for raw in (b"", b"x" * 40, b"\xff" * 4096):
        state = RankState(0)
        state.restore(raw, str)
        assert state.opaque
        assert state.runs
