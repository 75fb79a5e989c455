"""The ring between real processes: everything written is read, in order, whatever happens to the writer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lockstep.harness.trace import Kind, Recorder, layout
from lockstep.harness.trace.event import RECORD, Record
from lockstep.harness.trace.ring import Ring, decode
from lockstep.harness.trace.state import RankState
from lockstep.harness.trace.writer import FULL

WRITER = """
import sys
from lockstep.harness.trace import Recorder
recorder = Recorder.attach()
count = int(sys.argv[1])
while count:
    recorder.shape(f"s={recorder.last % 50}")
    count -= 1
"""


def writer(ring: Ring, events: int) -> subprocess.Popen[bytes]:
    """A child that writes so many events (negative: for ever)."""
    environment = {**os.environ, layout.RING_FD: str(ring.fd)}
    return subprocess.Popen([sys.executable, "-c", WRITER, str(events)], env=environment, close_fds=False)


def read_all(ring: Ring, until: int) -> list[Record]:
    """Read in small steps until event `until` has come."""
    found: list[Record] = []
    deadline = time.monotonic() + 30
    while (not found or found[-1].number < until) and time.monotonic() < deadline:
        found += decode(ring.read().records)
    return found


def test_every_event_of_another_process_is_read_in_order() -> None:
    """A reader beside a busy writer gets every record once, without a gap, with its string."""
    ring = Ring(0, 1)
    child = writer(ring, 40_000)
    records = read_all(ring, 40_001)
    assert child.wait(30) == 0
    assert [record.number for record in records] == list(range(1, 40_002))
    assert {record.kind for record in records[1:]} == {Kind.SHAPE}
    ring.close()


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGSTOP])
def test_ring_of_a_killed_or_stopped_writer(signum: signal.Signals) -> None:
    """What a writer had written when it was killed or stopped can be read, whole and in order."""
    ring = Ring(0, 1)
    child = writer(ring, -1)
    records = read_all(ring, 1000)
    child.send_signal(signum)
    time.sleep(0.1)
    while delta := ring.read():
        records += decode(delta.records)
    numbers = [record.number for record in records]
    assert numbers == sorted(set(numbers))
    assert ring.read().records == b""
    child.kill()
    child.wait()
    ring.close()


def test_overrun_is_counted_and_the_reader_goes_on() -> None:
    """When the writer has overtaken the reader, lost and read events add up to those written, and later ones are read."""
    ring = Ring(0, 1, capacity=64)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
    world = recorder.comm("mpi", "world", range(1))
    state = RankState(0)
    first = ring.read()
    strings = list(first.strings)
    state.apply(decode(first.records), strings.__getitem__)
    for _ in range(500):
        with recorder.collective(world, "barrier"):
            pass
    delta = ring.read()
    read = decode(delta.records)
    assert delta.lost > 0
    assert len(decode(first.records)) + delta.lost + len(read) == recorder.last
    strings += delta.strings
    state.overrun(delta.lost, ring.entered)
    state.apply(read, strings.__getitem__)
    assert list(state.entered.values()) == [500]
    assert state.lost == delta.lost
    recorder.milestone("after")
    assert [record.kind for record in decode(ring.read().records)] == [Kind.MILESTONE]
    ring.close()


def test_a_half_written_record_is_not_there() -> None:
    """Until its number stands at the end of a record, a reader does not see it."""
    ring = Ring(0, 1)
    Recorder.attach({layout.RING_FD: str(ring.fd)})
    ring.read()
    at = layout.RECORDS + RECORD.size
    RECORD.pack_into(ring.memory, at, 1, Kind.SHAPE, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert ring.read().records == b""
    layout.U64.pack_into(ring.memory, at + RECORD.size - 8, 2)
    assert [record.number for record in decode(ring.read().records)] == [2]
    ring.close()


def test_threads_write_without_gap() -> None:
    """Several threads at once: numbers without a gap, each thread its own waiter, each in its own order."""
    ring = Ring(0, 1)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})

    def write() -> None:
        for number in range(2000):
            recorder.write(Kind.ABORT, 0, 0, number)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records = decode(ring.read().records)
    assert [record.number for record in records] == list(range(1, len(records) + 1))
    written = [record for record in records if record.kind == Kind.ABORT]
    assert len({record.thread for record in written}) == 4
    for ident in {record.thread for record in written}:
        assert [record.a for record in written if record.thread == ident] == list(range(2000))
    ring.close()


def test_full_string_table() -> None:
    """When the string table is full, later strings read as such, and earlier ones stay right."""
    ring = Ring(0, 1)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
    for number in range(200):
        recorder.shape(f"{number}" + "x" * 10_000)
    delta = ring.read()
    texts = [delta.strings[record.a] for record in decode(delta.records) if record.kind == Kind.SHAPE]
    assert texts[0].startswith("0x")
    assert texts[-1] == FULL
    assert all(text == FULL or text.startswith(f"{number}x") for number, text in enumerate(texts))
    ring.close()


def test_attach_to_something_else(tmp_path: Path) -> None:
    """A descriptor that holds no ring of this version is an error that says so."""
    path = tmp_path / "other"
    path.write_bytes(b"\0" * 8192)
    with path.open("r+b") as file, pytest.raises(RuntimeError, match="not a version 2 event ring"):
        Recorder.attach({layout.RING_FD: str(file.fileno())})


def test_without_a_ring() -> None:
    """Without a supervisor everything works and park returns at once."""
    recorder = Recorder.attach({})
    comm = recorder.comm("mpi", "world", range(2))
    with recorder.phase("init"), recorder.collective(comm, "barrier"):
        recorder.decision("a.b", "c", "d")
    recorder.returned()
    recorder.park()


def test_abort_waits_for_the_watchdog() -> None:
    """An abort returns when the watchdog has its event, and after a bounded time without one."""
    ring = Ring(0, 1)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
    start = time.monotonic()
    recorder.abort(3, patience_s=0.2)
    assert time.monotonic() - start >= 0.2
    ring.acknowledge(recorder.last + 1)
    start = time.monotonic()
    recorder.abort(3, patience_s=30.0)
    assert time.monotonic() - start < 15.0
    ring.close()
    start = time.monotonic()
    Recorder.attach({}).abort(3)  # no supervisor
    assert time.monotonic() - start < 15.0


def test_park_ends_with_the_release() -> None:
    """A parked engine goes on when its supervisor lets it."""
    ring = Ring(0, 1)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
    thread = threading.Thread(target=recorder.park)
    thread.start()
    thread.join(0.1)
    assert thread.is_alive()
    ring.release()
    thread.join(10)
    assert not thread.is_alive()
    ring.close()
