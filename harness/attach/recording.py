"""This process's recording: its recorder, made when the process first has something to tell, and its line to the supervisor.

A forked child starts afresh: what it inherits belongs to its parent.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import threading
from _thread import get_ident, start_new_thread
from collections.abc import Callable, Sequence

from lockstep.harness.attach import bystanders
from lockstep.harness.attach.calls import Again, Issued
from lockstep.harness.attach.sites import forget
from lockstep.harness.environment import ATTACH
from lockstep.harness.trace import recorder as trace
from lockstep.harness.trace.event import Kind, Need, Took
from lockstep.harness.trace.handles import Comm
from lockstep.harness.trace.recorder import Recorder
from lockstep.harness.trace.ring import new_ring

CONNECT_S = 10.0
RANK_VARIABLES = (("PMI_RANK", "PMI_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"))


class Recording:
    """One process's recorder, and which of its threads are inside a recorded operation."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        fd = new_ring(-1, 0)
        self.recorder = Recorder.on(fd)
        self.messages = {self.recorder.string(verb) for verb in ("send", "recv")}
        self.blocked: dict[int, int] = {}  # thread -> how many recorded operations it is inside of
        self.listening = False
        self.failed = False
        self.exit_code = 0  # as far as it is known before the end
        self.line = self._hand_over(fd)
        os.close(fd)

    def _hand_over(self, fd: int) -> socket.socket | None:
        """Give the ring to the supervisor. Without one the recorder writes to memory that nobody reads."""
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.settimeout(CONNECT_S)
            line.connect(os.environ[ATTACH])
            hello = json.dumps({"pid": os.getpid(), "argv": sys.orig_argv[:8]}).encode() + b"\n"
            socket.send_fds(line, [hello], [fd])
            line.settimeout(None)
        except (OSError, KeyError):
            line.close()
            return None
        return line

    def listen(self) -> None:
        """Answer the supervisor's questions from now on, in a thread that `threading` does not know of."""
        if self.line is not None and not self.listening:
            self.listening = True
            start_new_thread(self._answer, (self.line,))

    def _answer(self, line: socket.socket) -> None:
        me = get_ident()
        with contextlib.suppress(OSError, ValueError):
            for raw in line.makefile("rb"):
                question = json.loads(raw)
                answer: dict[str, object] = {"epoch": question["epoch"]}
                if question.get("dump"):
                    answer["dump"] = _flight_recorder()
                else:
                    others = [*bystanders.awake(me, self.blocked), *(text for doubt in doubts for text in doubt())]
                    answer |= {"number": self.recorder.last, "others": others}
                    # Read in this order, what is told beside the number is of no earlier moment.
                    answer["hidden"] = [entry for look in hidden for entry in look()]
                    answer["issued"] = sum(look() for look in counts)
                line.sendall(json.dumps(answer).encode() + b"\n")

    # --- what the wrappers write ----------------------------------------------------------------------------------

    def collective(self, comm: Comm, op: str, size: int, need: Need, root: int, site: int) -> Issued:
        """This thread now waits in a collective, which counts from here."""
        wait = self.recorder.collective(comm, op, size, need, root, site)
        return Issued(comm, wait.seq, wait.op, need, root)

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

    def enter(self, issued: Issued, site: int, kind: Kind = Kind.ENTER) -> None:
        """This thread now waits for it."""
        comm, seq, op, need, peer, tag = issued
        self.recorder.write(kind, comm.id, seq, op, need, peer, tag, -1, site)

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

    def uncaught(self, error: BaseException) -> None:
        """An exception ends the program of this process. Only the first counts."""
        if not self.failed:
            self.failed = True
            self.error = error
            self.recorder.error(error)

    def finish(self) -> None:
        """The last exit handler has run."""
        if not self.failed and isinstance(last := getattr(sys, "last_value", None), BaseException):
            self.uncaught(last)  # the program has an excepthook of its own
        if self.failed:
            self.recorder.raised(self.error)
            self.error = None  # type: ignore[assignment]  # it holds frames, and with them the program's objects
        elif self.exit_code:
            self.recorder.status(self.exit_code)
        else:
            self.recorder.returned()
        self.recorder.leaving()


def _flight_recorder() -> str:
    """PyTorch's Flight Recorder of this process as JSON; empty where it has none."""
    c10d = sys.modules.get("torch._C._distributed_c10d")
    dump = getattr(c10d, "_dump_fr_trace_json", None) or getattr(c10d, "_dump_nccl_trace_json", None)
    try:
        found = dump() if dump is not None else ""
    except Exception:
        return ""
    return found if isinstance(found, str) else bytes(found).decode(errors="replace")


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
        if _current.line is not None:
            _current.line.close()
        _current = None
        trace.forget_thread()
        forget()
        for hook in after_fork:
            hook()


after_fork: list[Callable[[], None]] = []  # what wrappers have to forget
# What C++ has issued since the last event: communicator's id, how many, which operation, at which line of the program.
hidden: list[Callable[[], list[tuple[int, int, str, str]]]] = []
counts: list[Callable[[], int]] = []  # operations issued in all, with or without an event
doubts: list[Callable[[], list[str]]] = []  # what wrappers have to say when it is asked whether this process stands still
os.register_at_fork(after_in_child=_after_fork)
