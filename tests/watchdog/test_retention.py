"""What of the events is kept in memory: within a budget for the whole case, and what is missing is said. Pure."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.history import History
from lockstep.harness.judge.matching import first_mismatch
from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.event import RECORD
from lockstep.harness.trace.ring import Ring
from lockstep.harness.watchdog.ranks.retention import LEAST_BYTES, RANK_BYTES, Retention


@given(st.integers(1, 100_000), st.integers(1 << 20, 1 << 33))
def test_all_ranks_together_stay_within_the_budget(ranks: int, budget: int) -> None:
    """A rank keeps its share, at most what one rank alone may, and never less than a thousand events."""
    keeps = Retention.of(ranks, budget)
    assert keeps.most <= max(LEAST_BYTES, min(RANK_BYTES, budget // ranks))
    assert keeps.most * ranks <= budget or keeps.most <= LEAST_BYTES
    assert keeps.head % RECORD.size == 0 == keeps.tail % RECORD.size


@given(st.lists(st.integers(1, 40), max_size=60))
def test_the_first_and_the_last_events_are_kept(deltas: list[int]) -> None:
    """However the events come, memory holds the first and the last ones in order, and never more than it may."""
    keeps = Retention(8 * RECORD.size, 4 * RECORD.size)
    records, number = bytearray(), 0
    for count in deltas:
        for _ in range(count):
            number += 1
            records += bytes(RECORD.size - 8) + number.to_bytes(8, "little")
        keeps.trim(records)
        assert len(records) <= keeps.most
    numbers = [int.from_bytes(records[at + 56 : at + 64], "little") for at in range(0, len(records), RECORD.size)]
    assert numbers[:8] == list(range(1, min(number, 8) + 1))
    assert numbers[-4:] == list(range(max(1, number - 3), number + 1))
    assert numbers == sorted(set(numbers))


def history(rank: int, rounds: int, keeps: Retention | None) -> History:
    """A rank that decides and meets the other, round after round; its events are kept as `keeps` says."""
    ring = Ring(rank, 2, 4096)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
    world = recorder.comm("mpi", "world", (0, 1))
    for number in range(rounds):
        recorder.decision("step", "any", f"choice {number}")
        with recorder.collective(world, "barrier"):
            pass
    delta = ring.read()
    ring.close()
    records = bytearray(delta.records)
    if keeps is not None:
        keeps.trim(records)
    return History.read(rank, records, delta.strings)


def test_what_is_missing_is_no_difference() -> None:
    """Ranks that did the same do not differ because the middle of one's events was not kept; a real difference is seen."""
    keeps = Retention(300 * RECORD.size, 100 * RECORD.size)
    whole, cut = history(0, 400, None), history(1, 400, keeps)
    assert (whole.gap, whole.missing) == (None, 0)
    assert cut.gap == 300
    assert cut.missing == 1202 - 400
    assert first_mismatch(whole, cut) is None
    assert all(whole.named_decisions[name].choice == decision.choice for name, decision in cut.named_decisions.items())
    assert first_mismatch(history(0, 50, None), cut) is not None
