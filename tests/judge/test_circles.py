"""Waits in circles, against a search for a way back; and that a blame does not go by who was there sooner."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness.judge.circles import in_circles
from lockstep.harness.judge.graph import Stuck
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import Wait
from lockstep.harness.vocabulary import Cause
from tests.judge.test_verdicts import Script, blame_of, judged


def waiting(rank: int, lacks: tuple[int, ...]) -> Stuck:
    """A wait of a rank, of which only this matters."""
    return Stuck(rank, 0, Wait("comm", 1, "barrier", Need.ALL, -1, -1, 0, "", ""), lacks)


def reaches(lacks: dict[int, tuple[int, ...]], start: int) -> set[int]:
    """Everybody for whom a rank waits, for whom those wait, and so on."""
    found: set[int] = set()
    new = set(lacks[start])
    while new - found:
        found |= new
        new = {peer for rank in found for peer in lacks.get(rank, ())}
    return found


@given(st.dictionaries(st.integers(0, 6), st.lists(st.integers(0, 6), min_size=1, max_size=3, unique=True).map(tuple)))
def test_who_is_in_a_circle(lacks: dict[int, tuple[int, ...]]) -> None:
    """Who waits in the end for itself, and who is between two such; nobody else."""
    own = {rank for rank in lacks if rank in reaches(lacks, rank)}
    between = {rank for rank in lacks if reaches(lacks, rank) & own and any(rank in reaches(lacks, one) for one in own)}
    found = in_circles([waiting(rank, peers) for rank, peers in lacks.items()])
    assert {stuck.rank for stuck in found} == own | between


def opposite(script: Script) -> None:
    """Each rank enters a collective with the next one, which is in another."""
    rank, size = script.rank, script.size
    turns = {turn: sorted({turn, (turn + 1) % size}) for turn in sorted({rank, (rank - 1) % size})}
    comms = {turn: script.recorder.comm("mpi", f"turn {turn}", pair) for turn, pair in turns.items()}
    script.block(comms[rank])


@pytest.mark.parametrize("size", [2, 3, 4])
def test_one_fault_has_one_signature(size: int) -> None:
    """Ranks that wait for each other get the same blame and the same signature, whoever of them was there first."""
    verdicts = [judged(size, opposite, order=order) for order in itertools.permutations(range(size))]
    assert {verdict.cause for verdict in verdicts} == {Cause.DEADLOCK}
    assert len({(blame_of(verdict).ranks, blame_of(verdict).site, verdict.signature) for verdict in verdicts}) == 1
    assert blame_of(verdicts[0]).ranks == (1,)  # for whom the lowest rank waits
