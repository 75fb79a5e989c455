"""A case as a trace in Perfetto's own format, for ui.perfetto.dev: a track a rank, one each thread, its phases and streams.

Flows lead from a message's send to its receive, and from a wait that never ended to what those stand in that it needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TracePacket, TrackDescriptor, TrackEvent

from lockstep.harness.judge.verdict import Verdict, WaitLine
from lockstep.harness.report.alignment import merged
from lockstep.harness.report.pages import folder

CASE_TRACK = 1
TRACKS = 1 << 12  # of one rank, at most
SEQUENCE = 1
BEGIN_NS = 1_000_000  # of the first event: Perfetto takes a time of 0 for none
EDGES = 256  # between waits that never ended
_SEND = re.compile(r"(?:i?[sbr]?send|post_send)\b")
_RECEIVE = re.compile(r"i?m?recv\b")
_INSTANTS = ("decision", "milestone", "raised", "error", "returned", "abort", "unable", "opaque")


@dataclass(slots=True)
class _Tracks:
    """The tracks that were declared: each by its rank and name."""

    trace: Any
    blamed: frozenset[int]
    known: dict[tuple[int, str], int] = field(default_factory=dict)

    def of(self, rank: int, name: str = "") -> int:
        """The number of a rank's track, or of one below it; declared when it is first needed."""
        if (rank, name) not in self.known:
            if not name:
                words = f"rank {rank}" + (" (blamed)" if rank in self.blamed else "")
                self._declare(rank, "", words, CASE_TRACK, rank)
            else:
                self._declare(rank, name, name, self.of(rank), len(self.known))
        return self.known[rank, name]

    def _declare(self, rank: int, name: str, words: str, parent: int, order: int) -> None:
        below = sum(one == rank for one, _ in self.known)
        uuid = self.known[rank, name] = (rank + 1) * TRACKS + below
        declare(self.trace, uuid, words, parent, order)


def declare(trace: Any, uuid: int, name: str, parent: int, order: int = 0) -> None:
    """Add a track to a trace."""
    packet = _packet(trace)
    descriptor = packet.track_descriptor
    descriptor.uuid, descriptor.name = uuid, name
    if parent:
        descriptor.parent_uuid = parent
    descriptor.child_ordering = TrackDescriptor.EXPLICIT
    descriptor.sibling_order_rank = order


def perfetto_trace(case: Path) -> bytes:
    """The trace of a case from its folder. Raises what reading its verdict and event logs raises."""
    read = folder.read(case)
    verdict, name = read.verdict, str(read.raw.get("case", case.name))
    trace = Trace()
    declare(trace, CASE_TRACK, f"{name}: {verdict.outcome.value} {verdict.cause.value}".rstrip(), 0)
    trace.packet[0].sequence_flags = TracePacket.SEQ_INCREMENTAL_STATE_CLEARED
    tracks = _Tracks(trace, frozenset(verdict.blame.ranks if verdict.blame else ()))
    opened: dict[tuple[int, int], Any] = {}  # rank and thread -> the packet in which its open operation begins
    begun: dict[tuple[int, int], Mapping[str, Any]] = {}
    phases: dict[int, list[str]] = {}
    flows: dict[tuple[Any, ...], int] = {}
    for event in merged(case):
        rank, thread, kind = event["rank"], event["thread"], event["kind"]
        lane = tracks.of(rank, "main thread" if thread == 0 else f"thread {thread}")
        if kind == "enter":
            opened[rank, thread] = _begin(trace, event, lane, flows)
            begun[rank, thread] = event
        elif kind == "exit" and opened.pop((rank, thread), None) is not None:
            _received(trace, begun[rank, thread], event, lane, flows)
            _end(trace, event, lane)
        elif kind == "post":
            posted = _instant(trace, event, lane, f"post {_name(event)}").track_event
            if _SEND.match(str(event["op"])):
                posted.flow_ids.extend(_flow(event, flows))
        elif kind == "launch":
            _instant(trace, event, tracks.of(rank, "streams"), f"launch {_name(event)}")
        elif kind in ("phase", "shape"):
            _phase(trace, event, tracks.of(rank, "phases"), phases.setdefault(rank, []))
        elif kind in _INSTANTS:
            _instant(trace, event, lane, f"{kind} {event['text'] or ''}".strip())
    _edges(verdict, opened)
    return bytes(trace.SerializeToString())


def _packet(trace: Any, event: Mapping[str, Any] | None = None) -> Any:
    packet = trace.packet.add()
    packet.trusted_packet_sequence_id = SEQUENCE
    if event is not None:
        packet.timestamp = BEGIN_NS + round(event["time_s"] * 1e9)
    return packet


def _begin(trace: Any, event: Mapping[str, Any], lane: int, flows: dict[tuple[Any, ...], int]) -> Any:
    packet = _packet(trace, event)
    found = packet.track_event
    found.type, found.track_uuid, found.name = TrackEvent.TYPE_SLICE_BEGIN, lane, _name(event)
    found.categories.append(str(event["comm"] or "other").partition(":")[0])
    _annotate(found, event)
    if _SEND.match(str(event["op"])):
        found.flow_ids.extend(_flow(event, flows))
    return packet


def _received(
    trace: Any, enter: Mapping[str, Any], event: Mapping[str, Any], lane: int, flows: dict[tuple[Any, ...], int]
) -> None:
    """A message comes when its receive ends, which may have begun before its send."""
    if _RECEIVE.match(str(enter["op"])):
        for flow in _flow(enter, flows):
            _instant(trace, {**enter, "time_s": event["time_s"]}, lane, "message").track_event.terminating_flow_ids.append(
                flow
            )


def _end(trace: Any, event: Mapping[str, Any], lane: int) -> None:
    found = _packet(trace, event).track_event
    found.type, found.track_uuid = TrackEvent.TYPE_SLICE_END, lane


def _instant(trace: Any, event: Mapping[str, Any], lane: int, name: str) -> Any:
    packet = _packet(trace, event)
    found = packet.track_event
    found.type, found.track_uuid, found.name = TrackEvent.TYPE_INSTANT, lane, name
    found.categories.append(str(event["kind"]))
    _annotate(found, event)
    return packet


def _phase(trace: Any, event: Mapping[str, Any], lane: int, inside: list[str]) -> None:
    """A phase is a slice, a shape one inside of it; each ends when the next one of its kind begins."""
    name, depth = str(event["text"] or ""), 0 if event["kind"] == "phase" else 1
    while len(inside) > depth:
        inside.pop()
        _end(trace, event, lane)
    if name and len(inside) == depth:
        inside.append(name)
        found = _packet(trace, event).track_event
        found.type, found.track_uuid, found.name = TrackEvent.TYPE_SLICE_BEGIN, lane, name
        found.categories.append(str(event["kind"]))


def _name(event: Mapping[str, Any]) -> str:
    return f"{event['op']} #{event['seq']}" if event["op"] is not None else str(event["text"] or event["kind"])


def _annotate(found: Any, event: Mapping[str, Any]) -> None:
    for key in ("comm", "need", "peer", "phase", "shape", "site", "number"):
        value = event[key]
        if value not in (None, ""):
            note = found.debug_annotations.add()
            note.name = key
            if isinstance(value, int):
                note.int_value = value
            else:
                note.string_value = str(value)


def _flow(event: Mapping[str, Any], flows: dict[tuple[Any, ...], int]) -> Iterator[int]:
    """Of a message that is sent or received by name: it has the same number on both sides."""
    op, peer, rank = str(event["op"]), event["peer"], event["rank"]
    sends, receives = bool(_SEND.match(op)), bool(_RECEIVE.match(op))
    if peer is not None and sends != receives and event["tag"] is not None and event["tag"] >= 0:
        ends = (rank, peer) if sends else (peer, rank)
        yield flows.setdefault((event["comm"], *ends, event["tag"], event["seq"]), len(flows) + 1)


def _edges(verdict: Verdict, opened: Mapping[tuple[int, int], Any]) -> None:
    """From each wait of the knot that never ended to what those never left that it needs."""
    standing = {rank: packet for (rank, _), packet in sorted(opened.items(), reverse=True, key=lambda item: item[0])}
    number = 1 << 32
    for line in verdict.knot:
        source = next((packet for (rank, _), packet in opened.items() if rank == line.rank and _is(packet, line)), None)
        for rank in line.lacks:
            target = standing.get(rank)
            if source is not None and target is not None and target is not source and number < (1 << 32) + EDGES:
                source.track_event.flow_ids.append(number)
                target.track_event.flow_ids.append(number)
                number += 1


def _is(packet: Any, line: WaitLine) -> bool:
    return bool(packet.track_event.name == f"{line.op} #{line.seq}")
