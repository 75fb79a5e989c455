"""When a case that has lost a rank is judged without a proof and without a deadline: only when nobody moves. Pure."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.channel.to_watchdog import Around
from lockstep.harness.trace import Need
from lockstep.harness.trace.communicator import WORLDS_END
from lockstep.harness.watchdog.loss_watch import BOUND_S, LEFT_S, QUIET_S, WATCHED_S, LossWatch
from lockstep.harness.watchdog.proof import Proof
from lockstep.harness.watchdog.ranks.command import Command
from lockstep.harness.watchdog.ranks.program_ranks import ProgramRanks
from lockstep.harness.watchdog.ranks.rank_table import SETTLE_S
from tests.watchdog.test_process_table import Program

PARENT = 50


class Case:
    """Two ranks below one command, in one barrier; a clock; who hardly computes."""

    def __init__(self, parent: bool = False, need: Need = Need.ALL) -> None:
        self.ranks = ProgramRanks(1)
        alive = (100, 101, *((PARENT,) if parent else ()))
        self.command = self.ranks.processes.commands[0] = Command("host", PARENT, alive=alive)
        self.one, self.two = (Program(self.ranks, serial).joins("torch", serial) for serial in (0, 1))
        for program in (self.one, self.two):
            program.waits("torch", need=need)
        self.watch = LossWatch(self.ranks, Proof(self.ranks))
        self.now_s = 0.0

    def ends(self, program: Program, code: int | None) -> None:
        """A process has ended."""
        self.ranks.end(self.ranks.processes.records[program.process], code, self.now_s)
        self.command.alive = tuple(pid for pid in self.command.alive or () if pid != 100 + program.process[1])

    def found_within(self, seconds: float) -> bool:
        """Whether it is judged in so many seconds from now, in which nothing happens."""
        for _ in range(round(seconds * 4)):
            self.now_s += 0.25
            if self.watch.found(self.now_s):
                return True
        return False


ENTERED_S = SETTLE_S + BOUND_S


@pytest.mark.parametrize(
    ("need", "patience_s"), [(Need.ALL, ENTERED_S), (Need.TIMED, QUIET_S), (Need.NOBODY, QUIET_S), (Need.COME, QUIET_S)]
)
def test_a_death_inside_an_operation_that_all_have_entered(need: Need, patience_s: float) -> None:
    """Nothing can be proved of who has entered it; silence is enough, and no less; more where a wait may end by itself."""
    case = Case(need=need)
    assert not case.found_within(100)
    case.ends(case.two, -9)
    assert not case.found_within(patience_s - 1)
    assert case.found_within(3)


@pytest.mark.parametrize(("code", "patience_s"), [(-9, SETTLE_S + LEFT_S), (0, QUIET_S)])
def test_a_death_when_the_others_have_ended_but_for_mpi(code: int, patience_s: float) -> None:
    """They stand in MPI_Finalize, which needs the dead: nothing of the program is left that could go on."""
    case = Case()
    comm = case.one.recorder.comm("mpi", WORLDS_END, (0, 1), scope="torch")
    case.two.recorder.comm("mpi", WORLDS_END, (0, 1), scope="torch")
    case.two.tell()
    case.one.recorder.collective(comm, "finalize", need=Need.NOBODY)
    case.one.recorder.leaving()
    case.one.tell(1.0)
    case.ends(case.two, code)
    assert not case.found_within(patience_s - 1)
    assert case.found_within(3)


@pytest.mark.parametrize("code", [-15, 0])
def test_who_was_ended_in_order_is_no_loss(code: int) -> None:
    """By SIGTERM somebody ends processes who knows; status 0 is an end of its own."""
    case = Case(parent=True)
    case.ends(case.two, code)
    assert not case.found_within(100)


def test_who_watches_the_others_is_given_time_and_may_compute() -> None:
    """A parent may end those that wait for a dead one; as long as it computes it may do so. Of one that sleeps no more is
    expected."""
    case = Case(parent=True)
    case.ends(case.two, -9)
    assert not case.found_within(100)
    case.command.idle = frozenset({PARENT})
    case = Case(parent=True)
    case.ends(case.two, -9)
    case.command.idle = frozenset({PARENT})
    assert not case.found_within(WATCHED_S - 1)
    assert case.found_within(3)


@pytest.mark.parametrize(("holders", "patience_s"), [([PARENT], ENTERED_S), (None, WATCHED_S)])
def test_of_a_parent_that_sleeps_for_the_dead_no_more_is_expected(holders: list[int] | None, patience_s: float) -> None:
    """It waits for what nobody could send any more; where somebody unknown may, it is given its time."""
    case = Case(parent=True)
    case.ends(case.one, -9)
    case.ends(case.two, -9)
    case.command.idle = frozenset({PARENT})
    thread = {"thread": 1, "op": "read", "site": "", "steps": [1, 1], "ends": [["pipe", "[7]", holders]]}
    told = json.dumps({"pid": PARENT, "threads": [thread], "doubts": []})
    case.ranks.sleepers.take(0, Around(1, (told,)))
    assert not case.found_within(patience_s - 1)
    assert case.found_within(3)


def test_who_waits_for_a_number_that_another_has_watches_nobody() -> None:
    """Two jobs in one store: what comes second is no rank, waits to join as the others do, and ends none of them."""
    case = Case()
    third = Program(case.ranks, 2).joins("torch", 1).waits("torch", "init", Need.COME)
    assert third.rank is None
    case.command.alive = (100, 101, 102)
    case.command.idle = frozenset({102})
    case.ends(case.two, 1)
    assert not case.found_within(ENTERED_S - 1)
    assert case.found_within(QUIET_S)


def test_a_status_that_the_parent_may_expect_is_a_loss_only_to_who_waits() -> None:
    """Where no rank is left that waits, who started them may do what it likes for as long as it likes."""
    case = Case(parent=True)
    case.command.idle = frozenset({PARENT})
    case.ends(case.one, 77)
    case.ends(case.two, 77)
    assert not case.found_within(100)
    case = Case(parent=True)
    case.command.idle = frozenset({PARENT})
    case.ends(case.two, 77)
    assert case.found_within(WATCHED_S + 3)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0.1, 3 * ENTERED_S), min_size=1, max_size=12))
def test_who_goes_on_is_never_ended(pauses: list[float]) -> None:
    """However long ago the death was: it is judged in the first pause that is long enough, and in no shorter one."""
    case = Case()
    case.ends(case.two, -9)
    comm = case.one.recorder.comm("gloo", "own", (0,), scope="torch")
    for pause in pauses:
        found = case.found_within(pause)
        if pause < ENTERED_S - 1:
            assert not found
        if pause > ENTERED_S + 1:
            assert found
        if found:
            return
        case.one.recorder.collective(comm, "barrier", need=Need.ALL)
        case.one.tell(case.now_s)
