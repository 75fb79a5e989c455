"""The Perfetto trace of a case, read back with the published message definitions."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

from lockstep.harness.cli import main
from lockstep.harness.report.perfetto_trace import perfetto_trace
from lockstep.harness.trace.log import EventLogWriter
from lockstep.harness.trace.recorder import Recorder
from lockstep.harness.trace.ring import Ring

from .page_samples import case_folder


def read(raw: bytes) -> tuple[dict[int, Any], list[Any]]:
    """The tracks of a trace by number, and the packets of its events."""
    packets = Trace.FromString(raw).packet
    tracks = {one.track_descriptor.uuid: one.track_descriptor for one in packets if one.HasField("track_descriptor")}
    return tracks, [one for one in packets if one.HasField("track_event")]


def test_tracks_and_slices(tmp_path: Path) -> None:
    """A track a rank with its thread and phases below it; what ended has its end, in order, what never ended none."""
    _, folder = case_folder(tmp_path, 3)
    tracks, events = read(perfetto_trace(folder))
    ranks = sorted(track.name for track in tracks.values() if track.parent_uuid == 1)
    assert ranks == ["rank 0", "rank 1 (blamed)", "rank 2"]
    for track in tracks.values():
        assert track.uuid == 1 or track.parent_uuid in tracks
    assert {one.track_event.track_uuid for one in events} <= set(tracks)
    open_now: dict[int, list[str]] = defaultdict(list)
    last: dict[int, int] = defaultdict(int)
    for one in events:
        event = one.track_event
        assert one.timestamp >= max(last[event.track_uuid], 1)
        last[event.track_uuid] = one.timestamp
        if event.type == TrackEvent.TYPE_SLICE_BEGIN:
            open_now[event.track_uuid].append(event.name)
        elif event.type == TrackEvent.TYPE_SLICE_END:
            open_now[event.track_uuid].pop()
    never = Counter(name for uuid, names in open_now.items() for name in names if tracks[uuid].name == "main thread")
    assert never == {"allgather #4": 2, "barrier #1": 1}
    decisions = [one.track_event.name for one in events if one.track_event.name.startswith("decision")]
    assert sorted(decisions)[0].startswith("decision capture.request bs=32: none")


def test_messages_and_waits_are_flows(tmp_path: Path) -> None:
    """A message leads from its send to the end of its receive, also one that began before it; a wait to whom it needs."""
    _, folder = case_folder(tmp_path, 2)
    for rank in range(2):
        ring = Ring(rank=rank, world=2, capacity=64)
        recorder = Recorder(ring.memory, ring.capacity, rank=rank)
        comm = recorder.comm("mpi", "pp", [0, 1])
        for _ in range(2):
            with recorder.recv(comm, 1) if rank == 0 else recorder.send(comm, 0, synchronous=True):
                pass
        recorder.collective(comm, "allgather")
        delta = ring.read()
        with EventLogWriter(folder / f"rank-{rank}.events", rank=rank, world=2) as log:
            log.append(delta.records, delta.strings)
        ring.close()
    _, events = read(perfetto_trace(folder))
    begins = [flow for one in events for flow in one.track_event.flow_ids]
    ends = [flow for one in events for flow in one.track_event.terminating_flow_ids]
    assert begins == ends == [1, 2]


def test_waits_of_the_knot(tmp_path: Path) -> None:
    """What never ended is joined with what those stand in that it needs, in a bounded number."""
    _, folder = case_folder(tmp_path, 3)
    path = folder / "verdict.json"
    path.write_text(path.read_text().replace('"seq": 7', '"seq": 4').replace('"seq": 3', '"seq": 1'))
    _, events = read(perfetto_trace(folder))
    flows = Counter(flow for one in events for flow in one.track_event.flow_ids)
    assert set(flows.values()) == {2}
    assert len(flows) == 4  # two ranks need the blamed one, which needs both


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`lockstep events RUN CASE --perfetto FILE` writes it; for one rank's log, or into a folder, it says what it takes."""
    _, folder = case_folder(tmp_path, 2)
    file = tmp_path / "case.pftrace"
    assert main(["events", "one", "capture", "--reports", str(tmp_path), "--perfetto", str(file)]) == 0
    assert read(file.read_bytes())[1]
    assert main(["events", str(folder / "rank-0.events"), "--perfetto", str(file)]) == 2
    assert "takes a case" in capsys.readouterr().err
    assert main(["events", str(folder), "--perfetto", str(tmp_path)]) == 2
    assert "give a file" in capsys.readouterr().err
    (folder / "rank-0.events").write_bytes(b"x" * 64)
    assert main(["events", str(folder), "--perfetto", str(file)]) == 2
    assert "no case of which a trace can be made" in capsys.readouterr().err


def test_a_trace_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The option is told, as it was typed."""
    case_folder(tmp_path, 2)
    assert main(["events", "one", "capture", "--reports", str(tmp_path), "--perfetto", "/proc/x"]) == 2
    assert capsys.readouterr().err.startswith("--perfetto /proc/x: cannot be written: ")
