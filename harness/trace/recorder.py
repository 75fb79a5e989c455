"""The recorder: what an engine imports to write its events. Standard library only; about a microsecond an event.

Every method is safe from any thread and never blocks: a record's number is taken atomically and the record is written
by one call under the GIL. Without a ring (no supervisor) every method is the same and writes nowhere.
"""

from __future__ import annotations

import itertools
import json
import mmap
import os
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from lockstep.harness.trace import layout
from lockstep.harness.trace.event import Kind, Need
from lockstep.harness.trace.handles import Comm, Manifest, Wait
from lockstep.harness.trace.runs import pack
from lockstep.harness.trace.writer import MAX_STRING, RecordWriter

_pack_u64 = layout.U64.pack_into
ABORT_S = 30.0  # until the watchdog has made sure that all others are there: a host may be busy, a supervisor stopped


class Recorder(RecordWriter):
    """Writes one rank's events. Use `attach()`; one recorder a process.

    Over the size we keep: it is the one face that engines import, a method an event, each a line or two on top of `write`.
    """

    def __init__(self, memory: mmap.mmap | bytearray, capacity: int, rank: int = -1) -> None:
        super().__init__(memory, capacity)
        self.rank = rank
        self._comms = itertools.count(0)
        self._instances: dict[tuple[str, str, tuple[int, ...]], int] = {}
        self._host = Comm(0, "", ())

    @classmethod
    def attach(cls, environ: Mapping[str, str] = os.environ) -> Recorder:
        """The recorder on the ring that the supervisor handed down; one that writes to private memory without it.

        Raises RuntimeError when the descriptor does not hold a ring of this version.
        """
        if layout.RING_FD not in environ:
            return cls(bytearray(layout.ring_bytes(64)), 64)
        return cls.on(int(environ[layout.RING_FD]))

    @classmethod
    def on(cls, fd: int) -> Recorder:
        """The recorder on a ring. Raises RuntimeError when the descriptor does not hold one of this version."""
        memory = mmap.mmap(fd, os.fstat(fd).st_size)
        magic, version, rank, _, capacity = layout.HEADER.unpack_from(memory, 0)
        if magic != layout.MAGIC or version != layout.VERSION:
            raise RuntimeError(
                f"{layout.RING_FD}={fd} is not a version {layout.VERSION} event ring: run engine and supervisor of the "
                "same lockstep version"
            )
        _pack_u64(memory, layout.PID, os.getpid())
        return cls(memory, capacity, rank)

    # --- what can block -------------------------------------------------------------------------------------------

    def comm(self, kind: str, name: str, members: Sequence[int], device: str = "", scope: str = "") -> Comm:
        """Announce a communicator: its library (`mpi`, `gloo`, `nccl` ...), its name, its members as global ranks.

        Ranks that announce the same kind, name and members in the same order mean the same communicator. The collectives
        of one with a `device` stream (its name) run there: the host hands them over with `launch` and `replay`, and the
        device tells by its breadcrumb how far it has come. Those on one stream must run in the order of their handing over.
        `scope`: the world of ranks that `members` are numbered in, where a case has more than one.
        """
        group = (kind + scope, name, tuple(members))
        instance = self._instances[group] = self._instances.get(group, 0) + 1
        ident = next(self._comms)
        if ident >= layout.COMMS:
            raise RuntimeError(f"more than {layout.COMMS} communicators in one rank")
        about: dict[str, object] = {"kind": kind, "name": name, "members": pack(members), "instance": instance}
        about |= {key: value for key, value in (("device", device), ("scope", scope)) if value}
        self.write(Kind.COMM, ident, 0, self.string(json.dumps(about), MAX_STRING * 8))
        return Comm(ident, f"{kind}:{name}", tuple(members))

    def collective(self, comm: Comm, op: str, size: int = -1, need: Need = Need.ALL, root: int = -1, site: int = 0) -> Wait:
        """Enter a blocking collective; leave it with the returned context manager.

        `size` is the number of elements where every member must pass the same, else -1. `root` is a rank in `comm`. `site`
        is the string id of the line that called it.
        """
        comm.number = seq = comm.number + 1
        text = self.string(op)
        self.write(Kind.ENTER, comm.id, seq, text, need, root, 0, size, site)
        _pack_u64(self.memory, layout.COMM_TABLE + 8 * comm.id, seq)
        return Wait(self, comm, seq, text)

    def post(self, comm: Comm, op: str, size: int = -1, need: Need = Need.ALL, root: int = -1, site: int = 0) -> int:
        """A non-blocking collective was started; the number to `wait` for."""
        comm.number = seq = comm.number + 1
        self.write(Kind.POST, comm.id, seq, self.string(op), need, root, 0, size, site)
        _pack_u64(self.memory, layout.COMM_TABLE + 8 * comm.id, seq)
        return seq

    def post_p2p(self, comm: Comm, op: str, need: Need, peer: int, tag: int = 0, size: int = -1, site: int = 0) -> int:
        """A non-blocking `send` or `recv` was started; its number with that peer and tag."""
        return self._p2p(Kind.POST, comm, op, need, peer, tag, size, site)[0]

    def wait(
        self, comm: Comm, seq: int, op: str, need: Need = Need.ALL, peer: int = -1, tag: int = 0, site: int = 0
    ) -> Wait:
        """Block until what `post` or `post_p2p` started has ended. `peer`: the root or the peer, a rank in `comm`."""
        text = self.string(op)
        self.write(Kind.ENTER, comm.id, seq, text, need, peer, tag, -1, site)
        return Wait(self, comm, seq, text)

    def held(self, op: str, end: str, site: int = 0) -> Wait:
        """Block until anybody acts who holds `end`, the other end of a thing, by a name that all know it by."""
        text = self.string(op)
        self.write(Kind.ENTER, 0, 0, text, Need.HOLDERS, self.string(end), 0, -1, site)
        return Wait(self, self._host, 0, text)

    # --- what a device does ---------------------------------------------------------------------------------------

    def launch(self, comm: Comm, op: str, size: int = -1) -> None:
        """A collective of a device communicator is about to be handed to the stream. To be called before it is."""
        comm.number = seq = comm.number + 1
        self.write(Kind.LAUNCH, comm.id, seq, self.string(op), 0, 0, 0, size)
        _pack_u64(self.memory, layout.COMM_TABLE + 8 * comm.id, seq)

    def manifest(self, graph: str, collectives: Sequence[tuple[Comm, str, int]]) -> Manifest:
        """A graph was captured: its name, and its collectives (communicator, operation, size or -1) in order."""
        listed = [[comm.id, op, size] for comm, op, size in collectives]
        text = self.string(json.dumps({"graph": graph, "collectives": listed}), MAX_STRING * 8)
        self.write(Kind.MANIFEST, 0, 0, text)
        counts: dict[int, int] = {}
        comms: dict[int, Comm] = {}
        for comm, _, _ in collectives:
            counts[comm.id] = counts.get(comm.id, 0) + 1
            comms[comm.id] = comm
        return Manifest(text, tuple((comms[ident], count) for ident, count in counts.items()))

    def replay(self, manifest: Manifest) -> None:
        """A graph with collectives of device communicators is about to be replayed. To be called before it is."""
        for comm, count in manifest.counts:
            comm.number = seq = comm.number + count
            self.write(Kind.LAUNCH, comm.id, seq, manifest.text, 0, count, 0, -1)
            _pack_u64(self.memory, layout.COMM_TABLE + 8 * comm.id, seq)

    def synchronize(self) -> Wait:
        """Enter a wait for all that was handed to this rank's streams."""
        text = self.string("synchronize")
        self.write(Kind.ENTER, 0, 0, text, Need.STREAM, -1, 0, -1)
        return Wait(self, self._host, 0, text)

    def breadcrumbs(self) -> memoryview:
        """The memory that the device keeps its breadcrumbs in: one 64-bit word a communicator, by its id."""
        end = layout.BREADCRUMB_TABLE + 8 * layout.BREADCRUMBS
        return memoryview(self.memory)[layout.BREADCRUMB_TABLE : end]

    # --- point to point -------------------------------------------------------------------------------------------

    def send(self, comm: Comm, peer: int, tag: int = 0, size: int = -1, synchronous: bool = False, what: str = "") -> Wait:
        """Enter a blocking send to `peer` (a rank in `comm`). Only a synchronous one is known to wait.

        `what` is sent stands in the event: it tells messages of one pair and tag apart.
        """
        need = Need.SSEND if synchronous else Need.NOBODY
        seq, text = self._p2p(Kind.ENTER, comm, f"send {what}".rstrip(), need, peer, tag, size)
        return Wait(self, comm, seq, text)

    def recv(self, comm: Comm, peer: int, tag: int = 0, size: int = -1, what: str = "") -> Wait:
        """Enter a blocking receive from `peer` (a rank in `comm`, -1 for any)."""
        seq, text = self._p2p(Kind.ENTER, comm, f"recv {what}".rstrip(), Need.RECV, peer, tag, size)
        return Wait(self, comm, seq, text)

    def post_send(self, comm: Comm, peer: int, tag: int = 0, size: int = -1, what: str = "") -> None:
        """A send that does not block was started."""
        self._p2p(Kind.POST, comm, f"send {what}".rstrip(), Need.NOBODY, peer, tag, size)

    def p2p(self, comm: Comm, op: str, need: Need, peer: int, tag: int, site: int) -> Wait:
        """Enter a blocking `send` or `recv`."""
        return Wait(self, comm, *self._p2p(Kind.ENTER, comm, op, need, peer, tag, -1, site))

    def _p2p(
        self, kind: Kind, comm: Comm, op: str, need: Need, peer: int, tag: int, size: int, site: int = 0
    ) -> tuple[int, int]:
        key = (op[:4], peer, tag)
        comm.p2p[key] = seq = comm.p2p.get(key, 0) + 1
        text = self.string(op)
        self.write(kind, comm.id, seq, text, need, peer, tag, size, site)
        return seq, text

    @contextmanager
    def waiter(self) -> Iterator[None]:
        """The calling thread may still do something about this rank's waits: with it, the rank counts as running.

        Every thread that writes an event counts from then on. One that only watches writes none, and says so by this.
        """
        self.write(Kind.WAITER, 0, 0, self.string(threading.current_thread().name))
        try:
            yield
        finally:
            self.write(Kind.WAITER_END, 0, 0)

    # --- what explains --------------------------------------------------------------------------------------------

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """The rank is in phase `name` until the block ends; a phase that ends is a milestone."""
        self.write(Kind.PHASE, 0, 0, self.string(name))
        yield
        self.milestone(name)
        self.write(Kind.PHASE, 0, 0, self.string(""))

    def shape(self, name: str) -> None:
        """The rank now works on the shape `name`; the same text on every rank that means the same shape."""
        self.write(Kind.SHAPE, 0, 0, self.string(name))

    def decision(self, site: str, key: str, choice: str, detail: str = "", deviates: bool = False) -> None:
        """Log a rank-local choice at program point `site` about `key`.

        Choices are compared between ranks, details are not. `deviates`: this choice leaves the path that a rank with
        enough of everything would take.
        """
        string = self.string
        self.write(Kind.DECISION, 0, int(deviates), string(site), string(key), string(choice), 0, string(detail))

    def milestone(self, name: str) -> None:
        """Progress that counts: a phase, a shape or a step is finished."""
        self.write(Kind.MILESTONE, 0, 0, self.string(name))

    def result(self, value: Mapping[str, object]) -> None:
        """What the rank found out, as JSON; the watchdog puts it into the verdict."""
        self.write(Kind.RESULT, 0, 0, self.string(json.dumps(value), MAX_STRING * 8))

    # --- of attached processes ------------------------------------------------------------------------------------

    def join(self, scope: str, rank: int, world: int, firm: bool = True) -> None:
        """This process is `rank` of a world of ranks. Not `firm`: its environment says so, it has not come yet."""
        about = {"scope": scope, "rank": rank, "world": world, "firm": firm}
        self.write(Kind.JOIN, 0, 0, self.string(json.dumps(about)))

    def opaque(self, reason: str) -> None:
        """The process communicates, or may, in a way that writes no events: nothing can be proved of it from now on."""
        self.write(Kind.OPAQUE, 0, 0, self.string(reason))

    def status(self, code: int) -> None:
        """The program ends with this exit status, and without an exception."""
        self.write(Kind.STATUS, 0, 0, code & 0xFFFFFFFF)

    def leaving(self) -> None:
        """The last exit handler has run."""
        self.write(Kind.LEAVING, 0, 0)

    # --- how it ends ----------------------------------------------------------------------------------------------

    def environment(self, facts: Mapping[str, object]) -> None:
        """What the rank runs on, as JSON; later calls add to it. The watchdog puts it into the verdict."""
        self.write(Kind.ENVIRONMENT, 0, 0, self.string(json.dumps(facts)))

    def raised(self, error: BaseException, device_lost: bool = False) -> None:
        """The rank's program ended with an exception. `device_lost`: what was handed to its device will never run."""
        self._write_error(Kind.RAISED, error, device_lost)

    def error(self, error: BaseException) -> None:
        """The rank's program failed, but goes on: it still has something to do about it, and counts as running."""
        self._write_error(Kind.ERROR, error)

    def _write_error(self, kind: Kind, error: BaseException, device_lost: bool = False) -> None:
        text = "".join(traceback.format_exception(error))[-MAX_STRING:]
        string = self.string
        self.write(kind, 0, int(device_lost), string(type(error).__name__), string(str(error)), string(text))

    def unable(self, why: str) -> None:
        """The engine lacks what this scenario needs, and stops: nothing can be judged. Say what, where, and what to do."""
        self.write(Kind.UNABLE, 0, 0, self.string(why))

    def returned(self) -> None:
        """The rank's program ended by itself."""
        self.write(Kind.RETURNED, 0, 0)

    def abort(self, code: int, patience_s: float = ABORT_S) -> None:
        """The rank is about to end the job. Waits (boundedly) until the watchdog knows: the launcher kills everybody.

        The watchdog first makes sure that all others are still there. Without a supervisor nothing is waited for.
        """
        self.write(Kind.ABORT, 0, 0, code & 0xFFFFFFFF)
        private = isinstance(self.memory, bytearray)  # nobody reads it
        deadline = time.monotonic() + patience_s
        while not private and self.word(layout.ACKNOWLEDGED) < self.last and time.monotonic() < deadline:
            time.sleep(0.002)

    def park(self) -> None:
        """Stay alive, sockets open, until the supervisor lets go; returns at once where there is none."""
        self.write(Kind.PARKED, 0, 0)
        while self.rank >= 0 and not self.word(layout.RELEASE):
            time.sleep(0.02)
