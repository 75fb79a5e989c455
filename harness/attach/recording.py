"""This process's recording: its recorder, made when the process first has something to tell, and its line to the supervisor.

A forked child starts afresh: what it inherits belongs to its parent.
"""

from __future__ import annotations

import contextlib
import os
import threading
from _thread import get_ident
from collections.abc import Callable, Sequence

from lockstep.harness.attach import bystanders, sleepers
from lockstep.harness.attach.calls import Again, Issued
from lockstep.harness.attach.ending import Ending
from lockstep.harness.attach.line import Line
from lockstep.harness.attach.native import NativeRecorder, find
from lockstep.harness.attach.sites import forget
from lockstep.harness.trace.event import Kind, Need, Took
from lockstep.harness.trace.handles import Comm
from lockstep.harness.trace.recorder import Recorder
from lockstep.harness.trace.ring import new_ring
from lockstep.harness.trace.writer import forget_thread

NO_COMM = Comm(0, "", ())  # of what is no operation of a communicator
RANK_VARIABLES = (("PMI_RANK", "PMI_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"))


class Recording:
    """One process's recorder, and which of its threads are inside a recorded operation.

    Over the size we keep: every wrapper writes through it, a method an event, each a line or two on top of the recorder.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.recorder: Recorder
        self.native: NativeRecorder | None = None
        native = find()
        ring = native.ring() if native is not None else None
        if native is not None and ring is not None:
            self.recorder = self.native = NativeRecorder(native, ring[0])
            self.line = Line.on(ring[1])
        else:
            fd = new_ring(-1, 0)
            self.recorder = Recorder.on(fd)
            self.line = Line(fd)
            os.close(fd)
        self.messages = {self.recorder.string(verb) for verb in ("send", "recv")}
        self.blocked: dict[int, int] = {}  # thread -> how many recorded operations it is inside of
        self.asking: dict[int, tuple[int, int]] = {}  # thread that waits for a store's key -> the kernel's id, server's port
        self.listening = False
        self.ending = Ending(self.recorder)

    def listen(self) -> None:
        """Answer the supervisor's questions from now on."""
        if self.line.connected and not self.listening:
            self.listening = True
            self.line.answer(self._standing)

    def _standing(self, me: int) -> dict[str, object]:
        """What is asked when this process seems to stand still. `me`: the thread that answers."""
        inside = self.native.inside() if self.native is not None else None
        others, asleep = bystanders.standing(me, self.blocked, inside)
        asleep += [sleepers.asking(*asked) for asked in list(self.asking.values())]
        others += [text for doubt in doubts for text in doubt()] + sleepers.alarm()
        number = self.recorder.last if self.native is None else self.native.number()
        told: dict[str, object] = {"number": number, "others": others, "asleep": asleep}
        # Read in this order, what is told beside the number is of no earlier moment.
        told["hidden"] = [entry for look in hidden for entry in look()]
        told["issued"] = sum(look() for look in counts)
        return told

    # --- what the wrappers write ----------------------------------------------------------------------------------

    def collective(self, comm: Comm, op: str, size: int, need: Need, root: int, site: int, limit_s: int = 0) -> Issued:
        """This thread now waits in a collective, which counts from here."""
        self._limit(limit_s)
        wait = self.recorder.collective(comm, op, size, need, root, site)
        return Issued(comm, wait.seq, wait.op, need, root, limit_s=limit_s)

    def start(self, comm: Comm, op: str, size: int, need: Need, root: int, site: int) -> Issued:
        """A collective is about to be started."""
        return Issued(comm, self.recorder.post(comm, op, size, need, root, site), self.recorder.string(op), need, root)

    def message(self, comm: Comm, op: str, need: Need, peer: int, tag: int, site: int) -> Issued:
        """This thread now waits in a `send` or `recv`."""
        wait = self.recorder.p2p(comm, op, need, peer, tag, site)
        return Issued(comm, wait.seq, wait.op, need, peer, tag)

    def start_message(self, comm: Comm, op: str, need: Need, peer: int, tag: int, site: int) -> Issued:
        """A `send` or `recv` is about to be started."""
        seq = self.recorder.post_p2p(comm, op, need, peer, tag, -1, site)
        return Issued(comm, seq, self.recorder.string(op), need, peer, tag)

    def again(self, issued: Issued, site: int) -> Again:
        """This thread now waits for an operation that was counted before."""
        self.enter(issued, site)
        return Again(self, issued)

    def several(self, name: str, need: Need, parts: Sequence[Issued], site: int) -> Again:
        """This thread now waits for several of them: for any (EITHER), or all (EVERY)."""
        for part in parts:
            self.enter(part, site, Kind.PART)
        op = self.recorder.string(name)
        self.recorder.write(Kind.ENTER, 0, 0, op, need, 0, 0, len(parts), site)
        return Again(self, Issued(parts[0].comm, 0, op, need))

    def sleeps(self, op: str, end: str, site: int) -> Issued:
        """This thread now waits for anybody who holds an end of something."""
        text = self.recorder.string(op)
        self.recorder.write(Kind.ENTER, 0, 0, text, Need.HOLDERS, self.recorder.string(end), 0, -1, site)
        return Issued(NO_COMM, 0, text, Need.HOLDERS)

    def enter(self, issued: Issued, site: int, kind: Kind = Kind.ENTER) -> None:
        """This thread now waits for it."""
        comm, seq, op, need, peer, tag, limit_s, _ = issued
        self._limit(limit_s)
        self.recorder.write(kind, comm.id, seq, op, need, peer, tag, -1, site)

    def _limit(self, limit_s: int) -> None:
        if limit_s:
            self.recorder.write(Kind.LIMIT, 0, 0, size=limit_s)

    def block(self) -> None:
        """This thread is inside of a recorded operation."""
        me = get_ident()
        self.blocked[me] = self.blocked.get(me, 0) + 1

    def leave(self, issued: Issued, took: Took | None = None, source: int = 0, tag: int = 0) -> None:
        """... and is so no more, however the operation ended. `took`: it was a receive, and took this message."""
        me = get_ident()
        left = self.blocked.get(me, 1) - 1
        if left:
            self.blocked[me] = left
        else:
            self.blocked.pop(me, None)
        if took is None:
            self.recorder.write(Kind.EXIT, issued.comm.id, issued.seq, issued.op)
        else:
            self.took(issued, took, source, tag, Kind.EXIT)

    def took(self, issued: Issued, took: Took, source: int, tag: int, kind: Kind = Kind.TOOK) -> None:
        """A receive has taken a message."""
        asked = (issued.tag, issued.peer + 1)
        self.recorder.write(kind, issued.comm.id, issued.seq, issued.op, took, source, tag, *asked)

    def cancel(self, issued: Issued, done: bool) -> None:
        """A receive is being taken back; or it turned out that it was not."""
        self.recorder.write(Kind.CANCEL, issued.comm.id, issued.seq, issued.op, int(done), issued.peer, issued.tag)

    def occupy(self, issued: Issued) -> None:
        """Two threads at once in one lane of a communicator: nobody knows whose operation comes first in the library."""
        if issued.open or issued.need is Need.PROBE:
            return  # it is taken for whatever may match
        comm, me = issued.comm, get_ident()
        lane = (issued.op, issued.peer, issued.tag) if issued.op in self.messages else None
        other = comm.busy.setdefault(lane, (me, issued.need))
        if other[0] == me:
            return
        if lane is None or Need.SSEND in (issued.need, other[1]) or issued.need is Need.RECV:
            self.recorder.opaque(f"two threads at once use {comm.key}, in an order that is not known")
        comm.unordered = True  # of plain sends only the number counts, until a synchronous one asks for its place

    def release(self, issued: Issued) -> None:
        """It was begun."""
        lane = (issued.op, issued.peer, issued.tag) if issued.op in self.messages else None
        issued.comm.busy.pop(lane, None)

    def doubt(self, issued: Issued, error: BaseException) -> None:
        """An operation raised: nobody knows whether its peers count it."""
        name = self.recorder.text(issued.op)
        opaque(f"{name} of {issued.comm.key} raised {type(error).__name__}: whether its peers count it is not known")


_current: Recording | None = None
_reasons: list[str] = []  # why this process cannot be proved, told when it has a recorder
_lock = threading.Lock()


def current() -> Recording:
    """The recording of this process, made at the first call."""
    global _current
    if _current is None:
        with _lock:
            if _current is None:
                _current = Recording()
                for reason in _reasons:
                    _current.recorder.opaque(reason)
    return _current


def existing() -> Recording | None:
    """The recording of this process if it has one."""
    return _current


def opaque(reason: str) -> None:
    """This process communicates, or may, in a way that writes no events."""
    if reason not in _reasons:
        _reasons.append(reason)
        if _current is not None:
            _current.recorder.opaque(reason)


def join(scope: str, rank: int, world: int, firm: bool = True) -> None:
    """This process has a rank."""
    recording = current()
    recording.recorder.join(scope, rank, world, firm)
    if firm:
        recording.listen()


def expected_rank(variables: tuple[tuple[str, str], ...]) -> tuple[int, int] | None:
    """Rank and size that a launcher has put into the environment."""
    for rank, size in variables:
        with contextlib.suppress(KeyError, ValueError):
            return int(os.environ[rank]), int(os.environ[size])
    return None


def _after_fork() -> None:
    global _current, _lock
    _lock = threading.Lock()
    if _current is not None:
        _current.line.close()
        _current = None
        forget_thread()
        forget()
        for hook in after_fork:
            hook()


after_fork: list[Callable[[], None]] = []  # what wrappers have to forget
# What C++ has issued since the last event: communicator's id, how many, which operation, at which line of the program.
hidden: list[Callable[[], list[tuple[int, int, str, str]]]] = []
counts: list[Callable[[], int]] = []  # operations issued in all, with or without an event
doubts: list[Callable[[], list[str]]] = []  # what wrappers have to say when it is asked whether this process stands still
os.register_at_fork(after_in_child=_after_fork)
