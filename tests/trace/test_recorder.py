"""What each call of the recorder writes, column by column, and the counts that it keeps beside the records."""

from __future__ import annotations

import json
import struct

from lockstep.harness.trace import Recorder, layout
from lockstep.harness.trace.event import RECORD, Kind, Need, Record
from lockstep.harness.trace.restoring import HEAD, restore
from lockstep.harness.trace.ring import Ring, decode
from lockstep.harness.trace.state import RankState
from lockstep.harness.trace.wait import STORES, Wait


class Memory:
    """A recorder that writes to plain memory."""

    def __init__(self) -> None:
        self.raw = bytearray(layout.ring_bytes(64))
        self.recorder = Recorder(self.raw, 64)
        self.read = self.recorder.last

    def new(self) -> list[Record]:
        """The records since the last time."""
        begin, self.read = self.read, self.recorder.last
        return decode(bytes(self.raw[layout.RECORDS + begin * RECORD.size : layout.RECORDS + self.read * RECORD.size]))

    def count(self, comm: int) -> int:
        """The number in the table of communicators."""
        return int(layout.U64.unpack_from(self.raw, layout.COMM_TABLE + 8 * comm)[0])


def told(record: Record) -> tuple[int, ...]:
    """The columns without time, thread and number, and without what is a string; there is no line where none was given."""
    assert record.site == 0
    return (record.kind, record.comm, record.seq, record.b, record.c, record.tag, record.size)


def test_collectives() -> None:
    """Each has the next number of its communicator, which stands in the table too, however it was begun."""
    memory = Memory()
    recorder = memory.recorder
    comms = [recorder.comm("mpi", name, range(4)) for name in ("world", "tp")]
    memory.new()
    comm = comms[1]
    with recorder.collective(comm, "reduce", 8, Need.ROOT, 2):
        assert memory.count(comm.id) == 1
    assert recorder.post(comm, "reduce", 9, Need.ALL, 3) == 2
    assert memory.count(comm.id) == 2
    with recorder.wait(comm, 2, "reduce", Need.ROOT, 3, 4):
        pass
    recorder.launch(comm, "all_reduce", 5)
    assert memory.count(comm.id) == 3
    assert memory.count(comms[0].id) == 0
    graph = recorder.manifest("g", [(comm, "all_reduce", 5), (comms[0], "barrier", -1), (comm, "all_reduce", 6)])
    recorder.replay(graph)
    assert (memory.count(comm.id), memory.count(comms[0].id)) == (5, 1)
    assert [told(record) for record in memory.new()] == [
        (Kind.ENTER, comm.id, 1, Need.ROOT, 2, 0, 8),
        (Kind.EXIT, comm.id, 1, 0, 0, 0, 0),
        (Kind.POST, comm.id, 2, Need.ALL, 3, 0, 9),
        (Kind.ENTER, comm.id, 2, Need.ROOT, 3, 4, -1),
        (Kind.EXIT, comm.id, 2, 0, 0, 0, 0),
        (Kind.LAUNCH, comm.id, 3, 0, 0, 0, 5),
        (Kind.MANIFEST, 0, 0, 0, 0, 0, 0),
        (Kind.LAUNCH, comm.id, 5, 0, 2, 0, -1),
        (Kind.LAUNCH, comms[0].id, 1, 0, 1, 0, -1),
    ]


def test_messages() -> None:
    """Each has a number of its own by what it is, its peer and its tag; only a synchronous send is known to wait."""
    memory = Memory()
    recorder = memory.recorder
    comm = recorder.comm("mpi", "world", range(4))
    memory.new()
    recorder.send(comm, 1, 7, 3, synchronous=True)
    recorder.send(comm, 1, 7)
    recorder.send(comm, 1, 8)
    recorder.recv(comm, 1, 7)
    recorder.post_send(comm, 1, 7, 5)
    assert recorder.post_p2p(comm, "recv", Need.RECV, 1, 7, 6) == 2
    assert [told(record) for record in memory.new()] == [
        (Kind.ENTER, comm.id, 1, Need.SSEND, 1, 7, 3),
        (Kind.ENTER, comm.id, 2, Need.NOBODY, 1, 7, -1),
        (Kind.ENTER, comm.id, 1, Need.NOBODY, 1, 8, -1),
        (Kind.ENTER, comm.id, 1, Need.RECV, 1, 7, -1),
        (Kind.POST, comm.id, 3, Need.NOBODY, 1, 7, 5),
        (Kind.POST, comm.id, 2, Need.RECV, 1, 7, 6),
    ]
    assert memory.count(comm.id) == 0


def test_waits_for_streams_and_things() -> None:
    """They are on no communicator and have no number."""
    memory = Memory()
    with memory.recorder.synchronize():
        pass
    with memory.recorder.held("acquire", "lock 3"):
        pass
    records = memory.new()
    assert [told(record) for record in records] == [
        (Kind.ENTER, 0, 0, Need.STREAM, -1, 0, -1),
        (Kind.EXIT, 0, 0, 0, 0, 0, 0),
        (Kind.ENTER, 0, 0, Need.HOLDERS, records[2].c, 0, -1),
        (Kind.EXIT, 0, 0, 0, 0, 0, 0),
    ]
    assert memory.recorder.text(records[2].c) == "lock 3"


def test_a_ring_goes_round() -> None:
    """The record after the last place is written to the first."""
    memory = Memory()
    while memory.recorder.last < 64:
        memory.recorder.milestone("x")
    (first,) = decode(bytes(memory.raw[layout.RECORDS : layout.RECORDS + RECORD.size]))
    assert first.number == 1
    memory.recorder.milestone("x")
    (first,) = decode(bytes(memory.raw[layout.RECORDS : layout.RECORDS + RECORD.size]))
    assert first.number == 65


def test_restored_counts_are_those_of_host_communicators() -> None:
    """What a device has entered its own words tell; one that was never announced has no name."""
    texts = ['{"kind": "mpi", "name": "a", "members": [0, 1], "instance": 1}',
             '{"kind": "nccl", "name": "b", "members": [0, 1], "instance": 1, "device": "stream 7"}']  # fmt: skip
    plain = dict.fromkeys(Record._fields, 0)
    announced = [Record(**{**plain, "kind": int(Kind.COMM), "comm": at + 1, "a": at, "number": at + 1}) for at in (0, 1)]
    raw = HEAD.pack(9, 2, 2, 0, 4, 0) + b"".join(RECORD.pack(*one) for one in announced) + struct.pack("<4Q", 5, 6, 7, 8)
    state = RankState(0)
    restore(state, raw, texts.__getitem__)
    keys = {comm: info.key for comm, info in state.comms.items()}
    assert state.entered.get(keys[1]) == 6
    assert state.entered.get(keys[2], 0) == 0
    assert (state.number, state.blind, state.order.lost) == (9, False, True)


def test_who_serves_a_store() -> None:
    """A thread that waits for whoever asks it, on no communicator; a wait on one is of the program."""

    def serves(comm: str, op: str) -> bool:
        return Wait(comm, 0, op, Need.HOLDERS, -1, 0, 0, "", "").serves

    assert serves("", f"{STORES}server")
    assert not serves("mpi:world", f"{STORES}server")
    assert not serves("", "read")
    assert not serves("mpi:world", "barrier")


def test_environment_and_result_are_json() -> None:
    """As they were given."""
    memory = Memory()
    memory.recorder.environment({"python": "3.11"})
    memory.recorder.result({"tokens": [1]})
    records = memory.new()
    assert [json.loads(memory.recorder.text(record.a)) for record in records] == [{"python": "3.11"}, {"tokens": [1]}]


def test_events_of_the_rank_alone() -> None:
    """They are on no communicator and have no number, but for what that column says of them."""
    memory = Memory()
    recorder = memory.recorder
    with recorder.phase("warm-up"):
        recorder.shape("bs=8")
    recorder.decision("site", "key", "run")
    recorder.decision("site", "key", "left-out", deviates=True)
    recorder.join("world", 0, 2)
    recorder.opaque("ctypes")
    recorder.raised(ValueError("x"))
    recorder.raised(ValueError("x"), device_lost=True)
    recorder.error(ValueError("x"))
    recorder.unable("no GPU")
    recorder.status(3)
    recorder.leaving()
    recorder.returned()
    with recorder.waiter():
        pass
    recorder.abort(-1, 0.0)
    assert [told(record)[:3] for record in memory.new()] == [
        (Kind.PHASE, 0, 0), (Kind.SHAPE, 0, 0), (Kind.MILESTONE, 0, 0), (Kind.PHASE, 0, 0),
        (Kind.DECISION, 0, 0), (Kind.DECISION, 0, 1), (Kind.JOIN, 0, 0), (Kind.OPAQUE, 0, 0),
        (Kind.RAISED, 0, 0), (Kind.RAISED, 0, 1), (Kind.ERROR, 0, 0), (Kind.UNABLE, 0, 0), (Kind.STATUS, 0, 0),
        (Kind.LEAVING, 0, 0), (Kind.RETURNED, 0, 0), (Kind.WAITER, 0, 0), (Kind.WAITER_END, 0, 0), (Kind.ABORT, 0, 0),
    ]  # fmt: skip


def test_how_far_a_ring_was_read() -> None:
    """The number of the last record that was read, or skipped; nothing is skipped twice."""
    ring = Ring(0, 1, 64)
    recorder = Recorder.attach({layout.RING_FD: str(ring.fd)})
    assert ring.read_up_to == 0
    assert len(ring.read().records) == recorder.last * RECORD.size
    assert ring.read_up_to == recorder.last
    begin = recorder.last
    for _ in range(5):
        recorder.milestone("x")
    assert ring.skip_to(begin + 2) == 2
    assert ring.skip_to(begin + 1) == 0
    assert ring.read_up_to == begin + 2
    assert [record.number for record in decode(ring.read().records)] == [begin + 3, begin + 4, begin + 5]
    ring.close()
