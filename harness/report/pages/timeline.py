"""The timeline of a case: a lane a rank with phases, operations, decisions and its end, as shapes of an SVG. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lockstep.harness.judge.verdict import RankEnd, Verdict, WaitLine
from lockstep.harness.judge.words import ranges
from lockstep.harness.report.pages.columns import Columns, comm_name
from lockstep.harness.report.pages.tracks import Track

WIDTH, LABEL = 1200.0, 112.0  # of the drawing, and of the names of its lanes
LANE, BAR, PHASE, DEVICE = 44.0, 15.0, 17.0, 7.0
TOP, BOTTOM = 42.0, 8.0
THIN = 0.5  # pixels that are drawn at least, and closer bars are one
CHARACTER = 6.3
ENOUGH = 12  # events from where ranks part on, to be shown by themselves
TINTS = 6  # of phases


class Bar(NamedTuple):
    """One rectangle, with what is told when one points at it."""

    x: float
    y: float
    width: float
    words: str
    kind: str  # a class of the style sheet
    label: str = ""


class Mark(NamedTuple):
    """A moment of one lane."""

    x: float
    y: float
    kind: str  # decision, deviates, end
    words: str


@dataclass(slots=True)
class Lane:
    """`paths`: bars of each library, in one path each: there may be thousands."""

    label: str
    more: str
    y: float
    blamed: bool
    phases: list[Bar] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    open: list[Bar] = field(default_factory=list)  # operations that never ended
    marks: list[Mark] = field(default_factory=list)
    launches: str = ""  # a path: what was handed to the device
    streams: list[Bar] = field(default_factory=list)  # of the device, in collectives that never ended


class Line(NamedTuple):
    """A moment of all."""

    x: float
    words: str
    kind: str  # a class of the style sheet
    row: float  # where its words stand
    after: bool  # ... to the right of it


@dataclass(frozen=True, slots=True)
class Timeline:
    """A drawing of `width` times `height` pixels."""

    title: str
    width: float
    height: float
    lanes: tuple[Lane, ...]
    ticks: tuple[tuple[float, str], ...]
    lines: tuple[Line, ...]


def timelines(verdict: Verdict, tracks: Sequence[Track], compared: Columns | None) -> list[Timeline]:
    """The whole case; and its end from where ranks part, where that is too little of the whole to be seen."""
    times = [event["time_s"] for track in tracks for event in track.events]
    if not times:
        return []
    blocks = {event["time_s"] for track in tracks for event in track.events[-1:] if event["kind"] == "enter"}
    begin, last = min(times), max(times)
    parted_s = compared.parted_s if compared else None
    words = "they part" if compared and compared.decided else "first difference"
    block = verdict.last_block_to_verdict_s if verdict.proved else None
    end = last + max(min(block or 0.0, 2 * (last - begin)), 0.03 * (last - begin), 1e-4)
    knot = (last, "the last one blocks" if last in blocks else "the last event") if verdict.knot or verdict.proved else None
    found = [_timeline("The whole case", verdict, tracks, (begin, end), (parted_s, words), knot)]
    after = sum(time >= parted_s for time in times) if parted_s is not None else 0
    if parted_s is not None and after >= ENOUGH and last - parted_s < 0.4 * (end - begin):
        near = max(begin, parted_s - max(0.25 * (last - parted_s), 0.001))
        end = last + max(0.06 * (last - near), 1e-4)
        found.append(
            _timeline(
                "From shortly before " + ("they part" if words == "they part" else "the first difference"),
                verdict,
                tracks,
                (near, end),
                (parted_s, words),
                knot,
            )
        )
    return found


def _timeline(
    title: str,
    verdict: Verdict,
    tracks: Sequence[Track],
    span: tuple[float, float],
    parted: tuple[float | None, str],
    knot: tuple[float, str] | None,
) -> Timeline:
    scale = _Scale(*span)
    ends = {end.rank: end for end in verdict.ranks}
    blamed = set(verdict.blame.ranks if verdict.blame else ())
    phases: dict[str, int] = {}
    lanes = tuple(
        _lane(track, TOP + at * LANE, scale, phases, track.rank in blamed, ends.get(track.rank))
        for at, track in enumerate(tracks)
    )
    for lane, track in zip(lanes, tracks, strict=True):
        _put_device(lane, track, scale, [line for line in verdict.knot if line.stream and line.rank == track.rank])
    lines: list[Line] = []
    if parted[0] is not None and span[0] <= parted[0] <= span[1]:
        lines.append(_line(scale.x(parted[0]), parted[1], "parted", 25))
    if knot is not None and span[0] <= knot[0] <= span[1]:
        lines.append(_line(scale.x(knot[0]), knot[1], "knot", 38))
    return Timeline(title, WIDTH, TOP + len(tracks) * LANE + BOTTOM, lanes, tuple(scale.ticks()), tuple(lines))


def _line(x: float, words: str, kind: str, row: float) -> Line:
    return Line(x, words, kind, row, x < WIDTH - len(words) * CHARACTER - 8)


class _Scale:
    """From seconds to pixels."""

    def __init__(self, begin: float, end: float) -> None:
        self.begin, self.end = begin, end
        self._factor = (WIDTH - LABEL - 6) / max(end - begin, 1e-9)

    def x(self, time_s: float) -> float:
        return LABEL + (min(max(time_s, self.begin), self.end) - self.begin) * self._factor

    def inside(self, begin: float, end: float) -> bool:
        return end >= self.begin and begin <= self.end

    def ticks(self) -> list[tuple[float, str]]:
        span = self.end - self.begin
        step = next(
            (one * 10**power for power in range(-6, 6) for one in (1, 2, 5) if span / (one * 10.0**power) <= 8), span
        )
        first = int(self.begin / step) + (self.begin % step > 0)
        digits = max(0, -int(f"{step:e}".partition("e")[2]))
        times = [(first + at) * step for at in range(10)]
        return [(self.x(time), f"{time:.{digits}f} s") for time in times if time < self.end - 0.03 * span]


def _lane(track: Track, y: float, scale: _Scale, phases: dict[str, int], blamed: bool, end: RankEnd | None) -> Lane:
    more = len(track.alike) - 1
    lane = Lane(f"rank {track.rank}", f"and {more} alike" if more else "", y, blamed)
    _put_phases(lane, track, scale, phases)
    bars: Mapping[str, list[tuple[float, float]]] = defaultdict(list)
    begun: dict[int, Mapping[str, Any]] = {}
    for event in track.events:
        kind, x = event["kind"], scale.x(event["time_s"])
        shown = scale.inside(event["time_s"], event["time_s"])
        if kind == "enter":
            begun[event["thread"]] = event
        elif kind == "exit" and (enter := begun.pop(event["thread"], None)):
            if scale.inside(enter["time_s"], event["time_s"]):
                bars[library(enter["comm"])].append((scale.x(enter["time_s"]), x))
        elif kind == "decision" and shown:
            away = str(event["text"]).endswith(", deviates")
            lane.marks.append(Mark(x, y + PHASE + BAR / 2, "deviates" if away else "decision", str(event["text"])))
        elif kind in ("raised", "error", "abort") and shown:
            lane.marks.append(Mark(x, y + PHASE + BAR / 2, "ended", f"{kind} {event['text'] or ''}".strip()))
    for enter in begun.values():
        _put_open(lane, enter, scale)
    lane.paths.update({name: _path(spans, y + PHASE) for name, spans in sorted(bars.items())})
    if end is not None and end.status == "dead" and track.events:
        x = scale.x(track.events[-1]["time_s"])
        lane.marks.append(Mark(x, y + PHASE + BAR / 2, "ended", f"dead, exit code {end.exit_code}"))
    lane.marks[:] = _apart(lane.marks)
    return lane


def _put_phases(lane: Lane, track: Track, scale: _Scale, phases: dict[str, int]) -> None:
    begun: tuple[float, str] | None = None
    last = track.events[-1]["time_s"] if track.events else 0.0
    for time_s, name in [*((e["time_s"], str(e["phase"])) for e in track.events), (max(last, scale.end), "\0")]:
        if begun is not None and name != begun[1]:
            if begun[1] and scale.inside(begun[0], time_s):
                x, width = scale.x(begun[0]), scale.x(time_s) - scale.x(begun[0])
                if width >= THIN:
                    tint = phases.setdefault(begun[1], len(phases) % TINTS)
                    label = begun[1] if len(begun[1]) * CHARACTER < width - 6 else ""
                    lane.phases.append(Bar(x, lane.y, width, begun[1], f"phase-{tint}", label))
            begun = None
        if begun is None:
            begun = (time_s, name)


def _put_open(lane: Lane, enter: Mapping[str, Any], scale: _Scale) -> None:
    """An operation that never ended."""
    x = scale.x(enter["time_s"])
    name = " ".join(filter(None, (comm_name(str(enter["comm"] or "")), str(enter["op"] or ""))))
    site = f" at {enter['site']}" if enter["site"] else ""
    width = max(scale.x(scale.end) - x, 3.0)
    words = f"{name} #{enter['seq']}{site}, never ended"
    label = name if len(name) * CHARACTER < width - 6 else ""
    lane.open.append(Bar(x, lane.y + PHASE, width, words, f"lib-{library(enter['comm'])}", label))


def _put_device(lane: Lane, track: Track, scale: _Scale, waits: Sequence[WaitLine]) -> None:
    """Below the operations of the host: what it handed to the device, and in what its streams stand."""
    launches = [event for event in track.events if event["kind"] == "launch"]
    y = lane.y + PHASE + BAR + 1
    shown = dict.fromkeys(
        f"{scale.x(event['time_s']):.0f}" for event in launches if scale.inside(event["time_s"], event["time_s"])
    )
    lane.launches = "".join(f"M{x} {y:.0f}v{DEVICE:.0f}" for x in shown)
    for line in waits:
        begin = next((event["time_s"] for event in reversed(launches) if event["comm"] == line.comm), scale.end)
        x = scale.x(begin)
        graph = f" of graph {line.graph}" if line.graph else ""
        words = f"a stream is in {line.name} {line.op} #{line.seq}{graph}, handed over by then, never ended"
        lane.streams.append(Bar(x, y, max(scale.x(scale.end) - x, 3.0), words, f"lib-{library(line.comm)}"))


def library(comm: object) -> str:
    """Of a communicator's key, as a class of the style sheet."""
    name = str(comm or "").partition(":")[0].lower()
    return name if name in LIBRARIES else "other"


LIBRARIES = ("mpi", "gloo", "nccl", "ucc", "device")


def _path(spans: list[tuple[float, float]], y: float) -> str:
    """Bars as one path; those that touch on the screen are one bar."""
    joined: list[list[float]] = []
    for begin, end in sorted(spans):
        end = max(end, begin + THIN)
        if joined and begin - joined[-1][1] < THIN:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([begin, end])
    return "".join(f"M{begin:.1f} {y:.0f}h{end - begin:.1f}v{BAR:.0f}h-{end - begin:.1f}z" for begin, end in joined)


def _apart(marks: list[Mark]) -> list[Mark]:
    """Without decisions that would cover each other; what matters more is kept."""
    found: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: mark.kind == "decision"):
        if mark.kind == "ended" or all(abs(mark.x - other.x) >= 3 for other in found[-40:]):
            found.append(mark)
    return found[:400]


def signs(drawn: Sequence[Timeline]) -> set[str]:
    """What is in them that has to be explained."""
    lanes = [lane for one in drawn for lane in one.lanes]
    found = {mark.kind for lane in lanes for mark in lane.marks}
    found |= {"open"} if any(lane.open for lane in lanes) else set()
    return found | ({"phase"} if any(lane.phases for lane in lanes) else set())


def has_device(drawn: Sequence[Timeline]) -> bool:
    """Whether something was handed to a device."""
    return any(lane.launches or lane.streams for one in drawn for lane in one.lanes)


def legend(drawn: Sequence[Timeline]) -> list[str]:
    """The libraries whose operations are shown."""
    names = {name for one in drawn for lane in one.lanes for name in lane.paths}
    names |= {bar.kind.removeprefix("lib-") for one in drawn for lane in one.lanes for bar in lane.open}
    return [name for name in (*LIBRARIES, "other") if name in names]


def rank_words(track: Track) -> str:
    """Whom a lane stands for."""
    return ranges(track.alike)
