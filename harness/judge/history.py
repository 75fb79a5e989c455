"""A rank's history: the decisions it logged, the collectives and messages it began, in program order. Pure."""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from lockstep.harness.judge.clock import OURS, Clock, Time
from lockstep.harness.trace.event import RECORD, Kind, Need, Record
from lockstep.harness.trace.state import CommInfo, RankOf

NO_OPERATION = frozenset({Need.STREAM, Need.PROBE, Need.EITHER, Need.EVERY, Need.HOLDERS})  # waits that begin nothing
# The most frequent of them.
_NO_HISTORY = frozenset({Kind.EXIT, Kind.MILESTONE, Kind.WAITER, Kind.WAITER_END, Kind.TOOK, Kind.PART})
_NONSENSE = (
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
)  # what comes of strings that are none of ours


class Decision(NamedTuple):
    """A logged rank-local choice. `at` is its place in the rank's events."""

    at: int
    site: str
    key: str
    choice: str
    detail: str
    deviates: bool
    phase: str
    shape: str


class Entry(NamedTuple):
    """A collective as one rank entered it."""

    at: int
    comm: str
    seq: int
    op: str
    phase: str
    shape: str
    size: int
    site: str = ""  # the program's line
    graph: str = ""  # the replayed graph that it belongs to
    ns: int = 0  # when the host entered it, or handed it over, by its clock
    root: int = -1  # a global rank, -1: none
    posted: bool = False  # it did not block
    data: str = ""  # what it hands over: see judge/datatypes.py

    @property
    def token(self) -> tuple[str, str, str]:
        """What must be the same on every member that enters this collective."""
        return (self.op, self.phase, self.shape)


class Message(NamedTuple):
    """A send or a receive that a rank began. `peer` is a global rank, -1 for any; `seq` counts those with peer and tag."""

    at: int
    comm: str
    sends: bool
    peer: int
    tag: int
    seq: int
    what: str
    posted: bool  # it did not block
    phase: str
    shape: str
    site: str = ""  # the program's line
    size: int = -1
    data: str = ""  # what it hands over: see judge/datatypes.py


class Left(NamedTuple):
    """What a program that ended in order left behind: a request, named as a message is, or (`op` "") a communicator."""

    comm: str
    op: str
    peer: int
    tag: int
    seq: int
    site: str


@dataclass(frozen=True, slots=True)
class CapturedGraph:
    """A graph's manifest: its name, and its collectives (communicator, operation, size or -1) in order."""

    at: int
    name: str
    phase: str
    collectives: tuple[tuple[str, str, int], ...]


@dataclass
class History:
    """All that a rank's events tell beyond its present state. Times are those of its host's clock."""

    rank: int
    clock: Clock = OURS
    decisions: list[Decision] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    comms: dict[str, CommInfo] = field(default_factory=dict)
    ended_at: int | None = None  # place of the event by which the program ended
    ended_ns: int = 0
    error: tuple[str, str, str] | None = None  # the first: type, message, traceback
    failed_at: int | None = None  # place of the event by which it was told
    failed_ns: int = 0
    failed_in: tuple[str, str] = ("", "")  # phase and shape
    abort_code: int | None = None
    unable: str = ""  # why its engine cannot run the scenario
    result: dict[str, Any] | None = None
    environment: dict[str, Any] | None = None
    graphs: list[CapturedGraph] = field(default_factory=list)  # in the order of their capture
    phases: list[tuple[int, str]] = field(default_factory=list)  # the phases that it entered ("": none), and where
    left: list[Left] = field(default_factory=list)
    gap: int | None = None  # place of the first event before which some are missing
    missing: int = 0  # events

    @staticmethod
    def read(
        rank: int,
        records: bytes | bytearray,
        strings: Sequence[str],
        clock: Clock = OURS,
        rank_of: RankOf | None = None,
    ) -> History:
        """From raw records and the rank's string table. `clock`: that of its host. `rank_of`: see CommInfo.parse."""
        history = History(rank, clock)
        comms: dict[int, CommInfo] = {}
        phase = shape = ""

        def text(ident: int) -> str:
            return strings[ident] if 0 <= ident < len(strings) else f"<string {ident}>"

        if len(records) and _number(records, len(records)) * RECORD.size > len(records):
            history._find_gap(records)
        for at, fields in enumerate(RECORD.iter_unpack(records)):
            kind = fields[1]
            if kind in _NO_HISTORY:
                continue
            if kind in (Kind.ENTER, Kind.POST):
                record = Record._make(fields)
                info = comms.get(record.comm)
                if info is not None and record.b not in NO_OPERATION and record.c < len(info.members):
                    site, data = (text(ident) if ident else "" for ident in (record.site, record.data))
                    history._begin(at, record, info, text(record.a), phase, shape, site, data)
            elif kind == Kind.SHAPE:
                shape = text(fields[5])
            elif kind == Kind.PHASE:
                phase, shape = text(fields[5]), ""
                history.phases.append((at, phase))
            elif kind == Kind.DECISION:
                record = Record._make(fields)
                history.decisions.append(
                    Decision(
                        at, text(record.a), text(record.b), text(record.c), text(record.size), bool(record.seq),
                        phase, shape,
                    )
                )  # fmt: skip
            elif kind == Kind.COMM:
                with contextlib.suppress(ValueError):  # the rank is opaque
                    info = comms[fields[3]] = CommInfo.parse(text(fields[5]), rank_of)
                    history.comms[info.key] = info
            elif kind in (Kind.RAISED, Kind.RETURNED, Kind.ABORT, Kind.UNABLE, Kind.ERROR, Kind.STATUS):
                record = Record._make(fields)
                if history.abort_code is not None:
                    continue  # MPI_Abort may come back: what the rank still did before it was killed is chance
                if kind in (Kind.RAISED, Kind.ERROR) and history.error is None:
                    history.error = (text(record.a), text(record.b), text(record.c))
                    history.failed_at, history.failed_ns = at, record.time_ns
                    history.failed_in = (phase, shape)
                if kind != Kind.ERROR:
                    history.ended_at, history.ended_ns = at, record.time_ns
                if kind == Kind.ABORT:
                    history.abort_code = record.a
                elif kind == Kind.UNABLE:
                    history.unable = text(record.a)
            elif kind == Kind.RESULT:
                history.result = _object(text(fields[5]))
            elif kind == Kind.LAUNCH:
                record = Record._make(fields)
                info = comms.get(record.comm)
                if info is not None:
                    with contextlib.suppress(*_NONSENSE):  # its string found no room
                        history.entries += _launched(at, record, info, text(record.a), phase, shape)
            elif kind == Kind.LEFT:
                record = Record._make(fields)
                info = comms.get(record.comm)
                if info is not None:
                    op, site = (text(ident) if ident else "" for ident in (record.a, record.site))
                    history.left.append(Left(info.key, op, _member(info, record.c), record.tag, record.seq, site))
            elif kind == Kind.MANIFEST:
                with contextlib.suppress(*_NONSENSE):
                    history.graphs.append(_manifest(at, text(fields[5]), comms, phase))
            elif kind == Kind.ENVIRONMENT:
                history.environment = (history.environment or {}) | _object(text(fields[5]))
        return history

    @property
    def known_decisions(self) -> Iterator[Decision]:
        """Those before a gap, which can be counted."""
        return (decision for decision in self.decisions if self.gap is None or decision.at < self.gap)

    @cached_property
    def named_decisions(self) -> Mapping[tuple[str, str, int], Decision]:
        """The known decisions by site, key and occurrence, as of when they are first asked for."""
        seen: dict[tuple[str, str], int] = defaultdict(int)
        found: dict[tuple[str, str, int], Decision] = {}
        for decision in self.known_decisions:
            pair = (decision.site, decision.key)
            found[decision.site, decision.key, seen[pair]] = decision
            seen[pair] += 1
        return found

    def _find_gap(self, records: bytes | bytearray) -> None:
        """Events are numbered from 1 without a gap; where a number is too high some are missing before it."""
        count = len(records) // RECORD.size
        self.missing = _number(records, len(records)) - count
        low, high = 0, count - 1  # the place of the first whose number is too high lies between
        while low < high:
            middle = (low + high) // 2
            if _number(records, (middle + 1) * RECORD.size) == middle + 1:
                low = middle + 1
            else:
                high = middle
        self.gap = low

    @property
    def failed(self) -> Time:
        """When it told its first error."""
        return Time(self.failed_ns, self.clock)

    @property
    def ended(self) -> Time:
        """When its program told its end."""
        return Time(self.ended_ns, self.clock)

    def _begin(self, at: int, record: Record, info: CommInfo, op: str, phase: str, shape: str, *site_data: str) -> None:
        """A collective, or a message."""
        verb, _, what = op.partition(" ")
        if verb not in ("send", "recv"):
            self.entries.append(entry_of(at, record, info, op, phase, shape, *site_data))
            return
        (site, data), posted = site_data, record.kind == Kind.POST
        place = (at, info.key, verb == "send", _member(info, record.c), record.tag, record.seq)
        self.messages.append(Message(*place, what, posted, phase, shape, site, record.size, data))


def entry_of(at: int, record: Record, info: CommInfo, op: str, phase: str, shape: str, site: str, data: str = "") -> Entry:
    """The collective that an ENTER or a POST tells of."""
    root, posted = _member(info, record.c), record.kind == Kind.POST
    place = (at, info.key, record.seq, op, phase, shape, record.size, site)
    return Entry(*place, ns=record.time_ns, root=root, posted=posted, data=data)


def _member(info: CommInfo, place: int) -> int:
    """The global rank of a member; -1 for none, and for a number that no member has, which its library will refuse."""
    return info.members[place] if 0 <= place < len(info.members) else -1


def _number(records: bytes | bytearray, end: int) -> int:
    """The number of the record that ends there: its last eight bytes."""
    return int.from_bytes(records[end - 8 : end], "little")


def _object(text: str) -> dict[str, Any]:
    """A JSON object; empty where the rank's string table had no room for it."""
    with contextlib.suppress(ValueError, RecursionError):
        raw = json.loads(text)
        return raw if isinstance(raw, dict) else {}
    return {}


def _launched(at: int, record: Record, info: CommInfo, text: str, phase: str, shape: str) -> list[Entry]:
    """The collectives that one LAUNCH hands over: one, or a replayed graph's on this communicator."""
    if not record.c:
        return [Entry(at, info.key, record.seq, text, phase, shape, record.size)]
    raw = json.loads(text)
    listed = [(op, size) for comm, op, size in raw["collectives"] if comm == record.comm]
    first = record.seq - record.c + 1
    return [
        Entry(at, info.key, first + n, op, phase, shape, size, graph=raw["graph"]) for n, (op, size) in enumerate(listed)
    ]


def _manifest(at: int, text: str, comms: dict[int, CommInfo], phase: str) -> CapturedGraph:
    raw = json.loads(text)
    collectives = tuple((comms[c].key if c in comms else f"#{c}", op, size) for c, op, size in raw["collectives"])
    return CapturedGraph(at, raw["graph"], phase, collectives)
