"""A rank's state, folded from its events: what its waiters wait for and what it has entered. No clock, no I/O."""

from __future__ import annotations

import enum
import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from lockstep.harness.trace.breadcrumb import Crumb
from lockstep.harness.trace.event import Kind, Need, Record
from lockstep.harness.trace.lane import Lane
from lockstep.harness.trace.runs import unpack

RankOf = Callable[[str, int], int]  # scope, rank in it -> global rank


class Status(enum.Enum):
    """How a rank's program stands. `DEAD` is set by the supervisor, which sees the process end."""

    RUNNING = "running"
    RAISED = "raised"
    RETURNED = "returned"
    ABORTED = "aborted"
    UNABLE = "unable"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class CommInfo:
    """A communicator: `key` is the same on every member, `members` are global ranks in communicator order."""

    key: str
    kind: str
    name: str
    members: tuple[int, ...]
    device: str = ""  # the device stream that its collectives run on

    @staticmethod
    def parse(text: str, rank_of: RankOf | None = None) -> CommInfo:
        """From the JSON of a COMM event. `rank_of`: the global rank of a rank in a scope, where a case has several.

        Raises ValueError when it is none: the string table of the rank was full, say.
        """
        return _known(text) if rank_of is None else CommInfo._read(text, rank_of)

    @staticmethod
    def _read(text: str, rank_of: RankOf | None) -> CommInfo:
        try:
            raw = json.loads(text)
            members, scope = unpack(raw["members"]), raw.get("scope", "")
        except (KeyError, TypeError) as error:
            raise ValueError(f"no communicator: {text[:80]}") from error
        digest = hashlib.sha256((scope + ",".join(map(str, members))).encode()).hexdigest()[:8]
        key = f"{raw['kind']}:{raw['name']}#{raw['instance']}@{digest}"
        if rank_of is not None:
            members = tuple(rank_of(scope, member) for member in members)
        return CommInfo(key, raw["kind"], raw["name"], members, raw.get("device", ""))


@functools.lru_cache(maxsize=1 << 14)
def _known(text: str) -> CommInfo:
    """All members announce a communicator in the same words: it is read once, and they share its list of members."""
    return CommInfo._read(text, None)


class Join(NamedTuple):
    """That a process has a rank in a world of ranks. Not `firm`: its environment says so, it has not come yet."""

    scope: str
    rank: int
    world: int
    firm: bool


class Wait(NamedTuple):
    """One waiter blocked in one operation. `peer` is the global rank of the root or the peer, -1 for none or any."""

    comm: str
    seq: int
    op: str
    need: Need
    peer: int
    tag: int
    since_ns: int
    phase: str
    shape: str
    graph: str = ""  # the replayed graph that a device stream is in
    site: str = ""  # the program's line that waits


@dataclass(slots=True)
class RankState:
    """Everything that the proof needs to know of a rank, as of event `number`."""

    rank: int
    number: int = 0
    status: Status = Status.RUNNING
    waiters: dict[int, Wait | None] = field(default_factory=dict)  # None: running
    entered: dict[str, int] = field(default_factory=dict)  # communicator key -> highest collective entered
    sent: dict[tuple[str, int, int], int] = field(default_factory=dict)  # (comm, to, tag) -> sends begun
    received: dict[tuple[str, int, int], int] = field(default_factory=dict)  # (comm, from, tag) -> receives begun
    comms: dict[int, CommInfo] = field(default_factory=dict)
    lanes: dict[str, Lane] = field(default_factory=dict)  # communicator key -> what the device does on it
    device_lost: bool = False  # nothing that was handed to the device will run
    gone: bool = False  # its process has ended, and its streams with it, whatever its program had reached before
    phase: str = ""
    shape: str = ""
    milestones: int = 0
    milestone_ns: int = 0
    exits: int = 0  # operations that ended
    decisions: int = 0  # choices that were made
    last_ns: int = 0
    parked: bool = False  # ended, but its process and its sockets stay
    lost: int = 0  # events overwritten before they were read
    blind: bool = False  # point-to-point counts are incomplete after a loss
    # of attached processes
    rank_of: RankOf | None = None
    kernel_ids: dict[int, int] = field(default_factory=dict)  # the kernel's id of a thread -> ours
    joins: list[Join] = field(default_factory=list)
    failed: bool = False  # an exception has left the program
    opaque: list[str] = field(default_factory=list)  # how it may communicate without writing events
    exit_status: int | None = None  # what it said of its end, when that was not 0
    leaving_ns: int = 0  # when its last exit handler had run

    def apply(self, records: Iterable[Record], string: Callable[[int], str]) -> None:
        """Fold new events in, in order. `string` gives the text of a string id."""
        for record in records:
            self.number = record.number
            self.last_ns = record.time_ns
            handler = _HANDLERS.get(record.kind)
            if handler is not None:
                handler(self, record, string)

    def overrun(self, lost: int, entered: Callable[[int], int], threads: int = 0) -> None:
        """Events were overwritten unread: take the collective counts from the table, trust no waiter's last state.

        Each of `threads` counts as running until it is heard again: its first event may be among the lost.
        """
        self.lost += lost
        self.blind = True
        for ident, info in self.comms.items():
            if info.device:
                self.lanes[info.key].overrun(entered(ident))
            else:
                self.entered[info.key] = max(self.entered.get(info.key, 0), entered(ident))
        self.waiters = dict.fromkeys((*self.waiters, *range(threads)))

    def see(self, words: Mapping[int, int], seen_ns: int, string: Callable[[int], str]) -> None:
        """Fold the breadcrumbs in, after the events that were read later. `seen_ns`: when they still stood otherwise."""
        for ident, word in words.items():
            info = self.comms.get(ident)
            if info is not None and info.device:
                crumb = Crumb.parse(word)
                op = "" if crumb.site is None else string(crumb.site)
                self.lanes[info.key].see(crumb.entered, crumb.inside, op, seen_ns)
                self.entered[info.key] = crumb.entered

    @property
    def turns(self) -> int:
        """What a rank that turns in circles does again and again: operations that end, choices that it makes."""
        return self.exits + self.decisions

    @property
    def runs(self) -> bool:
        """Whether something of it may go on by itself: a thread in no wait, or a stream on its way to a collective."""
        if self.status is Status.DEAD:
            return False
        if self._streams_run():
            return True
        return self.status is Status.RUNNING and (self.busy or bool(self.opaque))

    def _streams_run(self) -> bool:
        """A stream that is in a collective does not run, whatever was handed to it behind that."""
        if self.device_lost or self.gone:
            return False
        held = {lane.stream for lane in self.lanes.values() if lane.inside}
        return any(lane.pending and lane.stream not in held for lane in self.lanes.values())

    @property
    def busy(self) -> bool:
        """Whether a thread of the program is in no wait; one that waits for streams that do not wait will go on too."""
        held = any(lane.inside for lane in self.lanes.values())
        return not self.waiters or any(
            wait is None or (wait.need is Need.STREAM and not held) for wait in self.waiters.values()
        )

    @property
    def position(self) -> tuple[object, ...]:
        """What changes with every step of the rank: equal at two moments means that it stood still between them."""
        return (self.number, self.status, *(lane.position for lane in self.lanes.values()))

    def waits(self) -> list[tuple[int, Wait]]:
        """The waits of blocked threads and, with numbers from STREAM_WAITER on, of device streams.

        A stream stays in its collective when the program has raised or returned, but not when the process is gone.
        """
        found: list[tuple[int, Wait]] = []
        if self.status is Status.RUNNING:
            found += [(thread, wait) for thread, wait in sorted(self.waiters.items()) if wait is not None]
        if self.status is not Status.DEAD and not self.device_lost and not self.gone:
            lanes = enumerate(self.lanes.values(), STREAM_WAITER)
            found += [(number, self._stream_wait(lane)) for number, lane in lanes if lane.inside]
        return found

    def _stream_wait(self, lane: Lane) -> Wait:
        launch = lane.current()
        place = (launch.phase, launch.shape, launch.graph) if launch else (self.phase, self.shape, "")
        return Wait(lane.comm, lane.entered, lane.op, Need.ALL, -1, 0, lane.since_ns, *place)


STREAM_WAITER = 1000  # above every thread's number
_NEEDS = dict(enumerate(Need))
String = Callable[[int], str]


def _comm(state: RankState, record: Record, string: String) -> None:
    try:
        info = CommInfo.parse(string(record.a), state.rank_of)
    except ValueError:
        state.opaque.append("it announced a communicator of which nothing is known")
        return
    state.comms[record.comm] = info
    state.entered.setdefault(info.key, 0)
    if info.device:
        state.lanes[info.key] = Lane(info.key, info.device)


def _enter(state: RankState, record: Record, string: String) -> None:
    if record.b == Need.STREAM:
        place = (state.phase, state.shape)
        wait = Wait("", 0, string(record.a), Need.STREAM, state.rank, 0, record.time_ns, *place)
        state.waiters[record.thread] = wait
        return
    info = state.comms.get(record.comm)
    if info is None:  # its COMM event was overwritten: the rank counts as running
        state.waiters[record.thread] = None
        return
    op, need = string(record.a), _NEEDS[record.b]
    peer = info.members[record.c] if record.c >= 0 else -1
    verb = op.partition(" ")[0]
    if verb in ("send", "recv"):
        # The wait for one that was posted comes after others may have been posted: the count never goes back.
        counts, key = state.sent if verb == "send" else state.received, (info.key, peer, record.tag)
        counts[key] = max(counts.get(key, 0), record.seq)
    else:
        state.entered[info.key] = max(state.entered.get(info.key, 0), record.seq)
    if record.kind == Kind.ENTER:
        place = (state.phase, state.shape)
        site = string(record.site) if record.site else ""
        state.waiters[record.thread] = Wait(
            info.key, record.seq, op, need, peer, record.tag, record.time_ns, *place, site=site
        )


def _launch(state: RankState, record: Record, string: String) -> None:
    info = state.comms.get(record.comm)
    if info is not None and info.device:
        graph = json.loads(string(record.a))["graph"] if record.c else ""
        state.lanes[info.key].launch(record.seq, graph, state.phase, state.shape)


def _exit(state: RankState, record: Record, string: String) -> None:
    state.waiters[record.thread] = None
    state.exits += 1


def _decision(state: RankState, record: Record, string: String) -> None:
    state.decisions += 1


def _phase(state: RankState, record: Record, string: String) -> None:
    state.phase = string(record.a)
    state.shape = ""


def _shape(state: RankState, record: Record, string: String) -> None:
    state.shape = string(record.a)


def _milestone(state: RankState, record: Record, string: String) -> None:
    state.milestones += 1
    state.milestone_ns = record.time_ns


def _waiter(state: RankState, record: Record, string: String) -> None:
    state.waiters[record.thread] = None
    state.kernel_ids[record.size] = record.thread


def _waiter_end(state: RankState, record: Record, string: String) -> None:
    state.waiters.pop(record.thread, None)


def _raised(state: RankState, record: Record, string: String) -> None:
    state.status = Status.RAISED
    state.device_lost = bool(record.seq)


def _returned(state: RankState, record: Record, string: String) -> None:
    state.status = Status.RETURNED


def _abort(state: RankState, record: Record, string: String) -> None:
    state.status = Status.ABORTED


def _unable(state: RankState, record: Record, string: String) -> None:
    state.status = Status.UNABLE


def _parked(state: RankState, record: Record, string: String) -> None:
    state.parked = True


def _join(state: RankState, record: Record, string: String) -> None:
    state.joins.append(Join(**json.loads(string(record.a))))


def _error(state: RankState, record: Record, string: String) -> None:
    state.failed = True


def _opaque(state: RankState, record: Record, string: String) -> None:
    reason = string(record.a)
    if reason not in state.opaque:
        state.opaque.append(reason)


def _status(state: RankState, record: Record, string: String) -> None:
    state.exit_status = record.a


def _leaving(state: RankState, record: Record, string: String) -> None:
    state.leaving_ns = record.time_ns


_HANDLERS: dict[int, Callable[[RankState, Record, String], None]] = {
    Kind.COMM: _comm,
    Kind.ENTER: _enter,
    Kind.POST: _enter,
    Kind.EXIT: _exit,
    Kind.LAUNCH: _launch,
    Kind.DECISION: _decision,
    Kind.PHASE: _phase,
    Kind.SHAPE: _shape,
    Kind.MILESTONE: _milestone,
    Kind.WAITER: _waiter,
    Kind.WAITER_END: _waiter_end,
    Kind.RAISED: _raised,
    Kind.RETURNED: _returned,
    Kind.ABORT: _abort,
    Kind.UNABLE: _unable,
    Kind.PARKED: _parked,
    Kind.JOIN: _join,
    Kind.ERROR: _error,
    Kind.OPAQUE: _opaque,
    Kind.STATUS: _status,
    Kind.LEAVING: _leaving,
}
