"""The double-checked snapshot: what is proved stands, what moved is forgotten. Pure."""

from __future__ import annotations

from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import Status, Wait
from lockstep.harness.watchdog.proof import ASK_FIRST, Proof
from lockstep.harness.watchdog.ranks.engine_ranks import EngineRanks
from lockstep.harness.watchdog.ranks.rank_table import SPAWNER_S

WORLD, PAIR = "mpi:world#1@0", "mpi:pair#1@0"


def engine_ranks(size: int) -> EngineRanks:
    """Ranks that run; all are of the world, the first two of a pair besides."""
    found = EngineRanks(size)
    found.comms.members = {WORLD: tuple(range(size)), PAIR: (0, 1)}
    for rank in range(size):
        found.joined(rank, "host", 1)
        state = found[rank].state
        state.waiters = {0: None}
        state.entered = dict.fromkeys((WORLD, PAIR), 1) if rank < 2 else {WORLD: 1}
    return found


def block(found: EngineRanks, rank: int, comm: str) -> None:
    """A rank enters a collective."""
    state = found[rank].state
    state.number += 1
    state.entered[comm] += 1
    state.waiters[0] = Wait(comm, state.entered[comm], "barrier", Need.ALL, -1, 0, 0, "", "")


def answer(found: EngineRanks, ranks: list[int], epoch: int) -> None:
    """Ranks confirm that they stand."""
    for rank in ranks:
        found[rank].confirmed = epoch


def proved(found: EngineRanks) -> Proof:
    """The first two ranks wait for each other, which is proved."""
    proof = Proof(found)
    block(found, 0, PAIR)
    block(found, 1, WORLD)
    answer(found, proof.look(), proof.epoch)
    knot = proof.confirm(1.0)
    assert knot is not None
    assert [stuck.rank for stuck in knot] == [0, 1]
    return proof


def test_a_proved_knot_stands_when_a_larger_one_is_refuted() -> None:
    """Of ranks that only seem to join a proved knot one moves: that takes nothing back, and the knot is given."""
    found = engine_ranks(4)
    proof = proved(found)
    knot = proof.knot
    for rank in (2, 3):
        block(found, rank, WORLD)
    assert set(proof.look()) == {0, 1, 2, 3}
    found[2].state.number += 1  # it has moved on after all
    assert proof.confirm(2.0) == knot
    assert (proof.refuted, proof.withdrawn, proof.proved) == (1, 0, 1)


def test_a_proved_knot_is_forgotten_when_somebody_ends_its_ranks() -> None:
    """Who is killed where it stood has not moved: nothing is proved any more, and nothing is wrong with its events."""
    found = engine_ranks(2)
    proof = proved(found)
    found.end(found[1], -15, 1.5)
    assert not proof.confirm(2.0)
    assert not proof.withdrawn


def test_who_waits_for_a_rank_that_aborted_is_given_its_time_to_be_ended() -> None:
    """A launcher ends all others of a job that is aborted, late on a busy host: until then nothing is proved of them."""
    found = engine_ranks(2)
    block(found, 0, WORLD)
    found[1].state.status, found[1].state.aborting = Status.ABORTED, True
    found.end(found[1], 7, 1.0)
    knot = found.knot()
    assert [stuck.rank for stuck in knot] == [0]
    assert found.may_wake(knot, 1.0 + SPAWNER_S - 0.1)
    assert not found.may_wake(knot, 1.0 + SPAWNER_S)


def test_a_proved_knot_that_moves_is_withdrawn() -> None:
    """Whoever was proved to be stuck and moves shows that events do not tell all."""
    found = engine_ranks(2)
    proof = proved(found)
    found[0].state.number += 1
    assert proof.confirm(2.0) is None
    assert proof.withdrawn == 1


def test_of_thousands_some_are_asked_first_and_all_in_the_end() -> None:
    """A large candidate is proved only when every rank of it has answered; it is refuted when one of the first has moved."""
    found = engine_ranks(1000)
    proof = Proof(found)
    block(found, 0, PAIR)
    for rank in range(1, 1000):
        block(found, rank, WORLD)
    asked = proof.look()
    assert ASK_FIRST <= len(asked) < 2 * ASK_FIRST
    answer(found, asked[:-1], proof.epoch)
    assert not proof.standing()
    answer(found, asked, proof.epoch)
    assert proof.standing()
    assert proof.confirm(1.0) is None
    rest = proof.ask_rest()
    assert set(asked) | set(rest) == set(range(1000))
    assert not set(asked) & set(rest)
    answer(found, rest, proof.epoch)
    knot = proof.confirm(2.0)
    assert knot is not None
    assert len(knot) == 1000
