"""A rank's state, folded from its events: what its waiters wait for and what it has entered. No clock, no I/O."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from lockstep.harness.trace.breadcrumb import Crumb
from lockstep.harness.trace.communicator import CommInfo, RankOf
from lockstep.harness.trace.event import Need, Record
from lockstep.harness.trace.folding import HANDLERS
from lockstep.harness.trace.lane import Lane
from lockstep.harness.trace.order import Order
from lockstep.harness.trace.restoring import restore
from lockstep.harness.trace.wait import Join, Status, Taken, Wait

STREAM_WAITER = 1000  # above every thread's number
__all__ = ["STREAM_WAITER", "CommInfo", "RankOf", "RankState", "Status", "Wait"]


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
    taken: Taken = field(default_factory=Taken)
    order: Order = field(default_factory=Order)
    limits: dict[int, int] = field(default_factory=dict)  # thread -> seconds, of the wait that it is about to begin
    parts: dict[int, list[Wait]] = field(default_factory=dict)  # thread -> of the wait that it is about to begin
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
    keeper: int = -1  # a thread that keeps Python's lock in its wait until all members have come, whatever that needs else
    kept_out: frozenset[int] = frozenset()  # those that want the lock
    opaque: list[str] = field(default_factory=list)  # how it may communicate without writing events
    exit_status: int | None = None  # what it said of its end, when that was not 0
    aborting: bool = False  # it is about to end the job, or has
    leaving_ns: int = 0  # when its last exit handler had run

    def apply(self, records: Iterable[Record], string: Callable[[int], str]) -> None:
        """Fold new events in, in order. `string` gives the text of a string id."""
        for record in records:
            self.number = record.number
            self.keeper, self.kept_out = -1, frozenset()
            self.last_ns = record.time_ns
            handler = HANDLERS.get(record.kind)
            if handler is None:
                continue
            try:
                handler(self, record, string)
            except (
                LookupError,
                ValueError,
                TypeError,
                AttributeError,
                RecursionError,
            ):  # written wrongly, or its string found no room in the table
                self.waiters[record.thread] = None
                if not self.lost:  # else it speaks of what was announced by an event that was overwritten
                    self.opaque.append(f"its event {record.number} makes no sense")

    def overrun(self, lost: int, entered: Callable[[int], int], threads: int = 0) -> None:
        """Events were overwritten unread: take the collective counts from the table, trust no waiter's last state.

        Each of `threads` counts as running until it is heard again: its first event may be among the lost.
        """
        self.lost += lost
        self.blind = self.order.lost = True  # counts may be made good again, an order never
        for ident, info in self.comms.items():
            if info.device:
                self.lanes[info.key].overrun(entered(ident))
            else:
                self.entered[info.key] = max(self.entered.get(info.key, 0), entered(ident))
        self.waiters = dict.fromkeys((*self.waiters, *range(threads)))
        self.parts.clear()
        self.limits.clear()

    def restore(self, tables: bytes, string: Callable[[int], str]) -> None:
        """Become what the native recorder's tables say, which were copied after a loss."""
        try:
            restore(self, tables, string)
        except (LookupError, ValueError, TypeError, struct.error):
            self.opaque.append("its tables make no sense")

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
        """Whether a thread of the program is in no wait; one that waits for streams that do not wait will go on too.

        Who is kept from Python's lock goes on when the wait has ended in which another thread keeps it.
        """
        held = any(lane.inside for lane in self.lanes.values())
        return not self.waiters or any(
            thread not in self.kept_out if wait is None else wait.need is Need.STREAM and not held
            for thread, wait in self.waiters.items()
        )

    @property
    def position(self) -> tuple[object, ...]:
        """What changes with every step of the rank: equal at two moments means that it stood still between them."""
        return (self.number, self.status, *(lane.position for lane in self.lanes.values()))

    def stepped_since(self, position: tuple[object, ...]) -> bool:
        """Whether it has taken a step. One that was killed where it stood has not."""
        number, _, *lanes = position
        return self.number != number or [lane.position for lane in self.lanes.values()] != lanes

    def waits(self) -> list[tuple[int, Wait]]:
        """The waits of blocked threads and, with numbers from STREAM_WAITER on, of device streams.

        A stream stays in its collective when the program has raised or returned, but not when the process is gone.
        """
        found: list[tuple[int, Wait]] = []
        if self.status is Status.RUNNING:
            found += [(thread, wait) for thread, wait in sorted(self.waiters.items()) if wait is not None]
            found = [(thread, wait._replace(need=Need.ALL) if thread == self.keeper else wait) for thread, wait in found]
        if self.status is not Status.DEAD and not self.device_lost and not self.gone:
            lanes = enumerate(self.lanes.values(), STREAM_WAITER)
            found += [(number, self._stream_wait(lane)) for number, lane in lanes if lane.inside]
        return found

    def _stream_wait(self, lane: Lane) -> Wait:
        launch = lane.current()
        place = (launch.phase, launch.shape, launch.graph) if launch else (self.phase, self.shape, "")
        return Wait(lane.comm, lane.entered, lane.op, Need.ALL, -1, 0, lane.since_ns, *place)
