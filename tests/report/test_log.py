"""The event log on disk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.report.frame import events_frame
from lockstep.harness.trace.event import RECORD
from lockstep.harness.trace.log import EventLogWriter, describe, read_header, read_log
from lockstep.harness.trace.recorder import Recorder
from lockstep.harness.trace.ring import Delta, Ring

from .samples import deltas

FRAMES = st.lists(
    st.tuples(
        st.integers(0, 3).flatmap(lambda n: st.binary(min_size=n * RECORD.size, max_size=n * RECORD.size)),
        st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=3).map(tuple),
        st.integers(0, 2**40),
    ),
    max_size=5,
)


def write(path: Path) -> tuple[list[int], list[Delta]]:
    """Write the sample log; the size of the file after the header and after each frame, and the frames."""
    sizes, frames = [], deltas()
    with EventLogWriter(path, rank=1, world=2, clock_offset_ns=5) as log:
        sizes.append(path.stat().st_size)
        for delta in frames:
            log.append(delta.records, delta.strings, delta.lost)
            sizes.append(path.stat().st_size)
    return sizes, frames


@given(FRAMES)
def test_log_round_trip(tmp_path_factory: pytest.TempPathFactory, frames: list[tuple[bytes, tuple[str, ...], int]]) -> None:
    """Whatever is appended is read back, in order."""
    path = tmp_path_factory.mktemp("log") / "rank-0.events"
    with EventLogWriter(path, rank=0) as log:
        for records, strings, lost in frames:
            log.append(records, strings, lost)
    expected = b"".join(f[0] for f in frames), [s for f in frames for s in f[1]], sum(f[2] for f in frames)
    assert read_log(path) == expected


def test_torn_tail_at_every_byte(tmp_path: Path) -> None:
    """A log cut at any byte gives every frame that is whole, and nothing else."""
    whole = tmp_path / "whole.events"
    sizes, frames = write(whole)
    raw = whole.read_bytes()
    torn = tmp_path / "torn.events"
    for size in range(len(raw) + 1):
        torn.write_bytes(raw[:size])
        records, strings, _ = read_log(torn)
        kept = sum(end <= size for end in sizes[1:])
        assert records == b"".join(frame.records for frame in frames[:kept])
        assert strings == [text for frame in frames[:kept] for text in frame.strings]
        assert (read_header(torn) is None) == (size < sizes[0])
        assert len(list(describe(torn))) == len(records) // RECORD.size


def test_a_flipped_byte_ends_the_log(tmp_path: Path) -> None:
    """A frame whose bytes changed on disk is not taken for events."""
    path = tmp_path / "rank-1.events"
    sizes, frames = write(path)
    raw = bytearray(path.read_bytes())
    raw[sizes[2] - 1] ^= 1
    path.write_bytes(raw)
    assert read_log(path) == (frames[0].records, list(frames[0].strings), 0)


def test_header_and_late_clock(tmp_path: Path) -> None:
    """The clock offset can be set when it is known, without harm to the events."""
    path = tmp_path / "rank-3.events"
    with EventLogWriter(path, rank=3, world=8) as log:
        log.append(bytes(64), ("",), 2)
        log.clock(-17)
        log.append(bytes(64), (), 1)
    header = read_header(path)
    assert header is not None
    assert (header.rank, header.world, header.clock_offset_ns) == (3, 8, -17)
    assert read_log(path) == (bytes(128), [""], 3)


def test_other_files_are_refused(tmp_path: Path) -> None:
    """A file that is no event log, or of another version, is an error and not an empty log."""
    path = tmp_path / "rank-0.events"
    for raw in (b"hello", b"hello, this is a text file that is longer than a header"):
        path.write_bytes(raw)
        with pytest.raises(ValueError, match="no event log"):
            read_log(path)
    EventLogWriter(path, rank=0).close()
    raw = path.read_bytes()
    path.write_bytes(raw[:8] + b"\x63" + raw[9:])
    with pytest.raises(ValueError, match="version 99"):
        read_log(path)


def test_half_a_record_is_refused(tmp_path: Path) -> None:
    """Records go in whole."""
    with EventLogWriter(tmp_path / "rank-0.events", rank=0) as log, pytest.raises(ValueError, match="64-byte"):
        log.append(bytes(63))


def test_describe(tmp_path: Path) -> None:
    """Events read as words: phase, shape, communicator, peer as global rank, decision."""
    write(tmp_path / "rank-1.events")
    events = list(describe(tmp_path / "rank-1.events"))
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["time_s"] == 0.0
    by_kind = {event["kind"]: event for event in events}
    assert str(by_kind["comm"]["comm"]).startswith("mpi:tp#1@")
    assert by_kind["comm"]["text"] == "members 2,1"
    assert by_kind["decision"]["text"] == (
        "generation_capture.request bs=32: left-out (free_blocks=24 needed_blocks=32), deviates"
    )
    assert (by_kind["decision"]["phase"], by_kind["decision"]["shape"]) == ("generation_capture", "bs=32 größte")
    broadcast = [event for event in events if event["kind"] == "enter"][-1]
    assert (broadcast["op"], broadcast["seq"], broadcast["need"], broadcast["peer"]) == ("broadcast", 2, "all", 2)
    assert broadcast["comm"] == by_kind["comm"]["comm"]
    assert broadcast["name"] == by_kind["comm"]["name"] == "mpi tp"
    assert by_kind["raised"]["text"] == "RuntimeError: short of blocks"


def test_events_frame(tmp_path: Path) -> None:
    """A rank's events as a data frame can be asked for its decisions."""
    write(tmp_path / "rank-1.events")
    frame = events_frame(tmp_path, 1)
    assert list(frame[frame.kind == "decision"].phase) == ["generation_capture"]
    assert frame.time_s.is_monotonic_increasing


def test_events_survive_sigkill(tmp_path: Path) -> None:
    """Every event that was appended before a SIGKILL of the writer is in the log."""
    path = tmp_path / "rank-0.events"
    code = (
        "import sys, pathlib; from lockstep.harness.trace.log import EventLogWriter\n"
        "log = EventLogWriter(pathlib.Path(sys.argv[1]), 0)\n"
        "for n in range(10**9):\n"
        "    log.append(n.to_bytes(8, 'little') * 8, (str(n),), 0); print(n, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        stdout = writer.stdout
        assert stdout is not None
        seen = [int(stdout.readline()) for _ in range(100)]
        os.kill(writer.pid, signal.SIGKILL)
        seen += [int(line) for line in stdout.read().split("\n")[:-1]]
    records, strings, _ = read_log(path)
    assert len(strings) >= len(seen)
    assert strings == [str(n) for n in range(len(strings))]
    assert len(records) == 64 * len(strings)


def test_the_last_events_are_those_of_all(tmp_path: Path) -> None:
    """The end of a log alone says of each event what the whole log says of it: communicators, phase and time."""
    ring = Ring(rank=0, world=2, capacity=512)
    recorder = Recorder(ring.memory, ring.capacity, rank=0)
    for number in range(3):
        comm = recorder.comm("mpi", f"c{number}", [0, 1])
        with recorder.phase(f"p{number}"):
            for shape in ("a", "b"):
                recorder.shape(shape)
                with recorder.collective(comm, "allgather"):
                    pass
    delta = ring.read()
    ring.close()
    with EventLogWriter(tmp_path / "rank-0.events", rank=0, world=2) as log:
        log.append(delta.records, delta.strings)
    whole = list(describe(tmp_path / "rank-0.events"))
    for last in range(len(whole) + 3):
        assert list(describe(tmp_path / "rank-0.events", last)) == whole[max(0, len(whole) - last) :]


def test_what_is_handed_to_a_device(tmp_path: Path) -> None:
    """A launch names its communicator, operation and number; a replayed graph its name and its share."""
    ring = Ring(rank=0, world=2, capacity=64)
    recorder = Recorder(ring.memory, ring.capacity, rank=0)
    comm = recorder.comm("nccl", "tp", [0, 1], device="s0")
    recorder.launch(comm, "all_reduce")
    recorder.replay(recorder.manifest("g1", [(comm, "all_gather", 4), (comm, "all_reduce", 4)]))
    delta = ring.read()
    ring.close()
    with EventLogWriter(tmp_path / "rank-0.events", rank=0, world=2) as log:
        log.append(delta.records, delta.strings)
    found = [one for one in describe(tmp_path / "rank-0.events") if one["kind"] == "launch"]
    assert [(one["op"], one["seq"]) for one in found] == [("all_reduce", 1), ("graph g1, 2 collectives", 3)]
    assert all(str(one["comm"]).startswith("nccl:tp#1") for one in found)
