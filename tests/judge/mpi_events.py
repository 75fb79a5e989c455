"""What the events of a rank tell in a state of the machine: written and folded as those of real programs are."""

from __future__ import annotations

from lockstep.harness.attach.calls import Issued
from lockstep.harness.attach.recording import Recording
from lockstep.harness.trace import layout
from lockstep.harness.trace.event import RECORD, Need, Record, Took
from lockstep.harness.trace.handles import Comm
from lockstep.harness.trace.recorder import Recorder
from lockstep.harness.trace.state import RankState, Status
from tests.judge.mpi_machine import POSTS, WAITS, Op, Program, Rank

CAPACITY = 256


class Events:
    """The events of one rank."""

    def __init__(self, program: Program, rank: int) -> None:
        self.program, self.rank = program, rank
        self.memory = bytearray(layout.ring_bytes(CAPACITY))
        self.recording = Recording.__new__(Recording)  # its line to a supervisor is not needed
        self.recording.recorder, self.recording.blocked = Recorder(self.memory, CAPACITY), {}
        self.world: Comm = self.recording.recorder.comm("mpi", "world", range(len(program.ops)))
        self.requests: list[Issued] = []
        self.cancelled: set[int] = set()

    def state(self, mine: Rank) -> RankState:
        """The rank's state, from all that it has written when it stands so."""
        ops = self.program.ops[self.rank]
        for at, op in enumerate(ops[: mine.at + mine.blocked]):
            inside = at == mine.at
            self._call(op, [tell[1:] for tell in mine.tells if tell[0] == at], mine.waits if inside else None, inside)
        found = self._folded()
        if mine.at == len(ops) and not mine.blocked and not self.program.runs_on[self.rank]:
            found.status = Status.RETURNED
        return found

    def _call(
        self, op: Op, tells: list[tuple[int, tuple[int, int] | None]], waits: tuple[int, ...] | None, inside: bool
    ) -> None:
        """One call; where the rank is inside of it, its end is not written."""
        recording, begun = self.recording, list[Issued]()
        if op.name in ("probe", "mprobe"):
            probe = Issued(self.world, 0, recording.recorder.string("probe"), Need.PROBE, op.peer, op.tag)
            recording.enter(probe, 0)
            if not inside:
                for _, message in tells:
                    assert message is not None
                    recording.took(probe, Took.PROBED, *message)
                recording.leave(probe)
            return
        if op.name in ("send", "sendrecv"):
            recording.start_message(self.world, "send", Need.NOBODY, op.peer, op.tag, 0)
        if op.name in ("ssend", "issend", "ssendrecv"):
            begun.append(recording.start_message(self.world, "send", Need.SSEND, op.peer, op.tag, 0))
        if op.name in ("recv", "irecv"):
            begun.append(recording.start_message(self.world, "recv", Need.RECV, op.peer, op.tag, 0))
        if op.name.endswith("sendrecv"):
            begun.append(recording.start_message(self.world, "recv", Need.RECV, op.source, op.label, 0))
        if op.name in ("barrier", "ibarrier"):
            begun.append(recording.start(self.world, "barrier", -1, Need.ALL, -1, 0))
        self.requests += begun
        if op.name == "cancel":
            for number, _ in tells:
                if number not in self.cancelled:
                    self.cancelled.add(number)
                    recording.cancel(self.requests[number], done=True)
            return
        if op.name in POSTS or op.name == "test":
            self._tell(tells)
            return
        if inside:
            assert waits is not None
            self._enter(op, [self.requests[number] for number in waits])
        elif begun or op.name in WAITS:
            parts = begun or [self.requests[number] for number, _ in tells]
            if parts:
                self._enter(op, parts)
                self._tell(tells)
                recording.leave(parts[0])

    def _enter(self, op: Op, parts: list[Issued]) -> None:
        if len(parts) == 1:
            self.recording.enter(parts[0], 0)
        else:
            any_of = op.name in ("waitany", "waitsome")
            self.recording.several(op.name, Need.EITHER if any_of else Need.EVERY, parts, 0)

    def _tell(self, tells: list[tuple[int, tuple[int, int] | None]]) -> None:
        for number, message in tells:
            issued = self.requests[number]
            if issued.need is not Need.RECV or message is None:
                continue
            if number in self.cancelled:
                self.recording.cancel(issued, done=False)
            self.recording.took(issued, Took.WILD if issued.open else Took.NAMED, *message)

    def _folded(self) -> RankState:
        texts: list[str] = []
        at = layout.STRINGS
        (used,) = layout.U64.unpack_from(self.memory, layout.STRINGS_USED)
        while at < layout.STRINGS + used:
            (length,) = layout.STRING_HEAD.unpack_from(self.memory, at)
            texts.append(self.memory[at + 4 : at + 4 + length].decode())
            at += 4 + length
        last = self.recording.recorder.last
        assert last <= CAPACITY
        raw = self.memory[layout.RECORDS : layout.RECORDS + last * RECORD.size]
        state = RankState(self.rank)
        state.apply((Record._make(fields) for fields in RECORD.iter_unpack(raw)), texts.__getitem__)
        assert not state.opaque, state.opaque
        return state


def members(program: Program) -> dict[str, tuple[int, ...]]:
    """The one communicator, as the events call it."""
    state = Events(program, 0).state(Rank())
    (info,) = state.comms.values()
    return {info.key: info.members}
