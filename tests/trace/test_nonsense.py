"""A ring is the program's memory: whatever stands in it, reading it ends no watchdog and no supervisor."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lockstep.harness.channel.to_watchdog import Delta
from lockstep.harness.judge.history import History
from lockstep.harness.judge.mismatch import libraries, recent
from lockstep.harness.trace import layout
from lockstep.harness.trace.event import RECORD, Kind, Need
from lockstep.harness.trace.ring import Ring
from lockstep.harness.watchdog.ranks.command import Command
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks

COMM = {"kind": "mpi", "name": "world", "instance": 0, "members": [[0, 2, 1]], "scope": "mpi"}
JOIN = {"scope": "mpi", "rank": 0, "world": 3, "firm": True}
values = (
    st.none() | st.booleans() | st.integers(-3, 1 << 40) | st.text(max_size=3) | st.lists(st.integers(-2, 4), max_size=3)
)


@st.composite
def bent(draw: st.DrawFn) -> str:
    """JSON of ours in which something is left out, or is something else."""
    whole: dict[str, Any] = dict(draw(st.sampled_from((COMM, JOIN, {"graph": "g", "collectives": [[0, "x", 1]]}))))
    for name in draw(st.sets(st.sampled_from(sorted(whole)), max_size=2)):
        whole[name] = draw(values)
    if draw(st.booleans()):
        whole.pop(draw(st.sampled_from(sorted(whole))))
    return json.dumps(whole)


strings = st.lists(
    st.sampled_from((json.dumps(COMM), json.dumps(JOIN), "send", "recv x", "barrier", "[" * 5000, "[]", "{}", "null", ""))
    | bent(),
    min_size=1,
    max_size=6,
)
small = st.integers(0, 6)
pytestmark = pytest.mark.timeout(400)  # a thousand of small draws each


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Records whose columns are likely to mean something, and seldom what they should."""
    found = bytearray()
    for number in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from([*map(int, Kind), 0, 77]))
        need = draw(st.sampled_from([*map(int, Need), 99]))
        a, comm, seq, thread = draw(small), draw(small), draw(st.integers(0, 4) | st.just(2**64 - 1)), draw(small)
        c, tag = draw(st.integers(-3, 4) | st.just(2**31 - 1)), draw(st.integers(-2, 3))
        size, site, data = draw(st.integers(-2, 4) | st.just(2**63 - 1)), draw(small), draw(small)
        last = number + draw(st.integers(1, 2))
        found += RECORD.pack(number, kind, thread, comm, seq, a, need, c, tag, size, site, data, last)
    return bytes(found)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(records(), strings)
def test_nonsense_is_taken_for_what_cannot_be_seen(raw: bytes, texts: list[str]) -> None:
    """Every rule that reads events goes on, and what makes no sense is a reason to prove nothing of that rank."""
    ranks = ProgramRanks(1)
    ranks.joined(0, "host", 1)
    ranks.processes.commands[0] = Command("host", 1, alive=(100, 101))
    for serial in (0, 1):
        ranks.came((0, serial), 100 + serial)
        delta = Delta(raw, tuple(texts), 0, (), 7, {}, 0, serial)
        record = ranks.take((0, serial), delta, 1.0)
        History.read(0, record.records, record.strings, rank_of=ranks.claims.rank_of)
        recent(record.records, record.text, record.state.comms)
        libraries(record.records, record.text)
    ranks.knot()
    ranks.processes.commands[0].alive = ()
    ranks.may_wake(ranks.knot(), 2.0)
    assert set(ranks.everybody()) >= set(ranks.states())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(0, layout.ring_bytes(64) - 8), st.integers(0, 2**64 - 1)), max_size=20))
def test_a_ring_that_is_overwritten_is_read_to_its_end(words: list[tuple[int, int]]) -> None:
    """Reading stays within the ring and comes to an end, whatever the program writes over it."""
    ring = Ring(0, 1, 64)
    ring.read()
    for at, word in [*words, (layout.STRINGS_USED, 2**64 - 1)]:
        struct.pack_into("<Q", ring.memory, at, word)
    ring.read()
    ring.breadcrumbs()
    ring.threads()
    ring.close()
