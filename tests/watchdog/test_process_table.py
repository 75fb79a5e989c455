"""Processes that come and go: which of them is which rank, and when nobody can come any more. Pure."""

from __future__ import annotations

import threading

import pytest

from lockstep.harness.channel.to_watchdog import LockHeld, Stands
from lockstep.harness.supervisor.ring_reader import RingReader
from lockstep.harness.trace import Need, Recorder
from lockstep.harness.trace.ring import Ring
from lockstep.harness.trace.state import Status
from lockstep.harness.watchdog.ranks.command import Command
from lockstep.harness.watchdog.ranks.process_table import NOWHERE, Origin
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks
from lockstep.harness.watchdog.ranks.rank_table import SETTLE_S, SPAWNER_S


class Program:
    """One process: a recorder on a real ring, and what a supervisor would send of it."""

    def __init__(self, ranks: ProgramRanks, serial: int, supervisor: int = 0, origin: Origin = NOWHERE) -> None:
        self.ranks, self.process = ranks, (supervisor, serial)
        ring = Ring(-1, 0)
        self.feed = RingReader(ring)
        self.recorder = Recorder.on(ring.fd)
        ranks.came(self.process, 100 + serial, origin)

    def tell(self, now_s: float = 0.0) -> None:
        """Send what is new."""
        delta = self.feed.delta()
        if delta is not None:
            self.ranks.take(self.process, delta, now_s)

    @property
    def rank(self) -> int | None:
        """Its number."""
        return self.ranks.processes.records[self.process].rank

    def joins(self, scope: str, rank: int, world: int = 2, firm: bool = True) -> Program:
        """It has a rank."""
        self.recorder.join(scope, rank, world, firm)
        self.tell()
        return self

    def waits(
        self, scope: str, op: str = "barrier", need: Need = Need.ALL, name: str = "world", kind: str = "gloo"
    ) -> Program:
        """It waits in the first collective of a communicator of two."""
        comm = self.recorder.comm(kind, name, (0, 1), scope=scope)
        self.recorder.collective(comm, op, need=need)
        self.tell()
        return self


def program(*alive: int) -> ProgramRanks:
    """One command, below which these processes (by serial) live."""
    found = ProgramRanks(1)
    found.processes.commands[0] = Command("host", 1, alive=tuple(100 + serial for serial in alive))
    return found


def test_ranks_are_numbered_as_in_their_world() -> None:
    """A process has the number that it has in its world; a helper, or one without a world, has none."""
    here = program(0, 1, 2)
    one, two, other = (Program(here, serial) for serial in range(3))
    two.joins("torch", 1)
    one.joins("torch", 0)
    other.joins("torch", 0, firm=False)  # started with a rank's environment
    assert (one.rank, two.rank, other.rank) == (0, 1, None)
    assert here.others() == {(0, 102)}


def test_two_worlds_are_told_apart() -> None:
    """Rank 0 of one world is not rank 0 of another, and their communicators of the same name are two."""
    here = program(0, 1)
    one, two = Program(here, 0).joins("a", 0).waits("a"), Program(here, 1).joins("b", 0).waits("b")
    assert one.rank != two.rank
    assert len(here.comms.members) == 2


def test_a_process_in_two_worlds_has_one_number() -> None:
    """MPI and torch.distributed number the same processes, perhaps differently; waits of both meet in one graph."""
    here = program(0, 1)
    one, two = Program(here, 0).joins("mpi", 0), Program(here, 1).joins("mpi", 1)
    one.joins("torch", 1).waits("torch")  # reversed
    two.joins("torch", 0).waits("mpi")
    assert (one.rank, two.rank) == (0, 1)
    assert {(wait.rank, wait.lacks) for wait in here.knot()} == {(0, (1,)), (1, (0,))}


def test_who_has_not_come_may_come_while_somebody_can_start_it() -> None:
    """A rank that nobody has seen counts as running while a process is left that is no rank; without one, as dead."""
    here = program(0, 5)
    Program(here, 0).joins("mpi", 0).waits("mpi", "init", Need.COME)
    assert here.knot() == []
    here.processes.commands[0].alive = (100,)
    assert [(wait.rank, wait.lacks) for wait in here.knot()] == [(0, (1,))]
    assert here.everybody()[1].state.status is Status.DEAD
    assert [rank for rank, _ in here] == [0]


@pytest.mark.parametrize(
    ("origin", "code", "numbers"),
    [
        (Origin(("python", "train.py"), (5, 1)), 1, (None, None, 0, 1)),
        (Origin(("python", "train.py"), (5, 1)), 0, (0, 1, 2, 3)),  # a second job after the first
        (Origin(("python", "other.py"), (5, 1)), 1, (0, 1, 2, 3)),
        (Origin(("python", "train.py"), (6, 1)), 1, (0, 1, 2, 3)),
    ],
)
def test_a_round_that_failed_is_begun_anew(origin: Origin, code: int, numbers: tuple[int | None, ...]) -> None:
    """Who starts the same command again after a failure, with another port, goes on with the same ranks."""
    here = program(0, 1, 2, 3)
    first = [Program(here, rank, origin=Origin(("python", "train.py"), (5, 1))).joins("torch 1 0", rank) for rank in (0, 1)]
    for one, ends in zip(first, (code, code and -9), strict=True):
        here.end(here.processes.records[one.process], ends, 0.0)
    second = [Program(here, 2 + rank, origin=origin).joins("torch 2 0", rank) for rank in (0, 1)]
    assert tuple(one.rank for one in (*first, *second)) == numbers


def test_a_restarted_rank_takes_the_place_of_the_dead_one() -> None:
    """Who waits to meet a rank that has died may be met by its successor, but not in an old communicator."""
    here = program(0, 5)
    first = Program(here, 1).joins("torch", 1)
    here.end(here.processes.records[first.process], 1, 0.0)
    Program(here, 0).joins("torch", 0).waits("torch", "init", Need.COME)
    assert here.knot() == []
    second = Program(here, 2).joins("torch", 1).waits("torch", "init", Need.COME)
    assert (first.rank, second.rank) == (None, 1)
    assert here.knot() == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_ranks_that_torchrun_starts_anew_keep_their_numbers(order: tuple[int, int]) -> None:
    """Those of a later round are the ranks that ended in an earlier one, wherever they meet; other worlds are others."""
    here = program(5)
    first = [Program(here, rank).joins("torch 29500 0", rank).waits("torch 29500 0") for rank in (0, 1)]
    for one in first:
        here.end(here.processes.records[one.process], 3, 0.0)
    again = {rank: Program(here, 10 + rank).joins("torch 29511 1", rank, firm=False) for rank in order}
    for rank in order:
        again[rank].joins("torch 29511 1", rank).waits("torch 29511 1")
    assert [one.rank for one in first] == [None, None]
    assert {rank: one.rank for rank, one in again.items()} == {0: 0, 1: 1}
    assert sorted(rank for rank, _ in here) == [0, 1]
    assert all(set(group) == {0, 1} for group in here.comms.members.values())
    assert Program(here, 20).joins("torch 29600 1", 0).rank == 2  # two that live beside each other


def test_another_stage_is_no_restart() -> None:
    """Ranks of a world that was not started anew have numbers of their own, whoever has ended before."""
    here = program(5)
    first = Program(here, 0).joins("torch 29500 0", 0)
    here.end(here.processes.records[first.process], 0, 0.0)
    assert Program(here, 1).joins("torch 29511 0", 0).rank == 1


def test_an_established_communicator_waits_for_its_dead() -> None:
    """Nobody can take a dead member's place there; a proof leaves time for sockets to close, and for who watches them."""
    here = program(0, 5)
    one, two = Program(here, 0).joins("torch", 0).waits("torch"), Program(here, 1).joins("torch", 1)
    here.end(here.processes.records[two.process], -9, 100.0)
    knot = here.knot()
    assert [(wait.rank, wait.lacks) for wait in knot] == [(one.rank, (1,))]
    assert here.may_wake(knot, 100.0 + SPAWNER_S / 2)
    assert not here.may_wake(knot, 100.0 + SPAWNER_S + 1)
    here.processes.commands[0].alive = (100,)
    assert not here.may_wake(knot, 100.0 + SETTLE_S + 0.1)


@pytest.mark.parametrize(("kind", "hears", "woken"), [("nccl", True, True), ("nccl", False, False), ("gloo", True, False)])
def test_nccl_that_hears_of_an_end_may_end_who_waits(kind: str, hears: bool, woken: bool) -> None:
    """Between hosts PyTorch's watchdog ends a rank, however late, when NCCL says that a peer is gone: no hang is proved."""
    here = program(0, 5)
    one, two = Program(here, 0).joins("torch", 0).waits("torch", kind=kind), Program(here, 1).joins("torch", 1)
    record = here.processes.records[one.process]
    record.confirm(Stands(0, 1, record.state.number, (), (), nccl_hears=hears))
    here.end(here.processes.records[two.process], 0, 100.0)
    assert here.may_wake(here.knot(), 1000.0) is woken


def test_who_aborts_has_its_launcher_end_the_others() -> None:
    """After an abort its peers are about to be killed: for a while nobody is called an orphan of it."""
    here = program(0, 5)
    Program(here, 0).joins("torch", 0).waits("torch")
    two = Program(here, 1).joins("torch", 1)
    two.recorder.abort(6, patience_s=0.0)
    two.tell()
    here.end(here.processes.records[two.process], 6, 100.0)
    here.processes.commands[0].alive = (100,)
    knot = here.knot()
    assert [(wait.rank, wait.lacks) for wait in knot] == [(0, (1,))]
    assert here.may_wake(knot, 100.0 + SETTLE_S + 1)
    assert not here.may_wake(knot, 100.0 + SPAWNER_S + 1)


@pytest.mark.parametrize("op", ["allreduce", "scan", "reduce", "recv"])
def test_a_thread_that_is_kept_from_pythons_lock_needs_its_owner(op: str) -> None:
    """It goes on when all have come to the owner's collective, whatever that needs else; or with an event."""
    here = program(0, 1)
    one, two = Program(here, 0).joins("torch", 0).waits("torch"), Program(here, 1).joins("torch", 1)
    comm = two.recorder.comm("mpi", "world", (0, 1), scope="torch")

    def communicate() -> None:
        with two.recorder.collective(comm, "barrier"):
            pass

    free = threading.Thread(target=communicate)
    free.start()
    free.join()
    if op == "recv":
        two.recorder.recv(comm, 0)
    else:
        needs = {"allreduce": Need.ALL, "scan": Need.BELOW, "reduce": Need.NOBODY}
        two.recorder.collective(comm, op, need=needs[op], root=0 if op == "reduce" else -1)
    two.tell()
    record = here.processes.records[two.process]
    (owner,) = (kernel for kernel, thread in record.state.kernel_ids.items() if record.state.waiters[thread] is not None)
    (kept,) = (kernel for kernel, thread in record.state.kernel_ids.items() if record.state.waiters[thread] is None)
    assert here.knot() == []
    record.confirm(LockHeld(1, 7, owner, ("another may go on",), (kept,)))
    assert (here.knot(), record.doubts) == ([], ("another may go on",))
    record.confirm(LockHeld(1, 7, kept, (), (owner,)))
    assert (here.knot(), len(record.doubts)) == ([], 1)
    record.confirm(LockHeld(1, 7, owner, (), (kept,)))
    if op == "recv":
        assert (here.knot(), len(record.doubts)) == ([], 1)
        return
    assert ({(wait.rank, wait.lacks) for wait in here.knot()}, record.doubts) == ({(0, (1,)), (1, (0,))}, ())
    record.confirm(Stands(1, 8, record.state.number, (), ()))
    assert here.knot() == []
    record.confirm(LockHeld(1, 9, owner, (), (kept,)))
    assert len(here.knot()) == 2
    two.recorder.milestone("its events go on")
    two.tell()
    assert here.knot() == []
    assert one.rank == 0


def test_an_opaque_rank_is_never_stuck() -> None:
    """A rank that may communicate unseen may move, and so may all that wait for it."""
    here = program(0, 1)
    one, two = Program(here, 0).joins("torch", 0).waits("torch"), Program(here, 1).joins("torch", 1).waits("torch", name="b")
    assert len(here.knot()) == 2
    two.recorder.opaque("MPI_Barrier is called through ctypes")
    two.tell()
    assert here.knot() == []
    assert here[1].state.opaque == ["MPI_Barrier is called through ctypes"]
    assert one.rank == 0


@pytest.mark.parametrize(
    ("scope", "world", "proved"),
    [
        ("torch 29500 0", 2, False),
        ("torch file:///store 0", 2, False),
        ("torch 41234 0", 2, True),
        ("mpi", 2, True),
        ("torch 29500 0", 1, True),
    ],
)
def test_who_may_be_started_elsewhere_is_waited_for(scope: str, world: int, proved: bool) -> None:
    """A rank that never came will come from nowhere only where the place was made for the command, or all are there."""
    here = program(0)
    here.absent.port = 41234
    Program(here, 0).joins(scope, 0, world).waits(scope)
    assert bool(here.knot()) is proved


def test_who_was_launched_needs_nobody_else() -> None:
    """Where as many commands were launched as the world has ranks, one that ended before it came never will."""
    here = ProgramRanks(2)
    here.processes.commands |= {0: Command("host", 1, alive=(100,)), 1: Command("host", 2, alive=())}
    here.processes.commands[1].exit_code = 1
    Program(here, 0).joins("torch 12355 0", 0).waits("torch 12355 0")
    assert [(wait.rank, wait.lacks) for wait in here.knot()] == [(0, (1,))]
