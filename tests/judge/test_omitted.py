"""Who called fewer collectives than others that stand for a reason nobody sees. Pure."""

from __future__ import annotations

import pytest

from lockstep.harness.judge.decide import decide
from lockstep.harness.judge.history import Entry, History
from lockstep.harness.judge.program_rules import ProgramRules
from lockstep.harness.judge.snapshot import CaseSnapshot, Limit, Process
from lockstep.harness.trace.state import CommInfo, RankState, Status
from lockstep.harness.vocabulary import Cause

COMMS = {"nccl:world": ("nccl", "world"), "nccl:other": ("nccl", "other")}


def case(called: list[tuple[int, int]], ended: tuple[int, ...]) -> CaseSnapshot:
    """Ranks that called so many collectives of each of two groups, in turn, and are in none of them at the deadline."""
    everybody = tuple(range(len(called)))
    states = {rank: RankState(rank, gone=rank in ended) for rank in everybody}
    histories = {rank: History(rank) for rank in everybody}
    for rank, counts in enumerate(called):
        if rank in ended:
            states[rank].status = Status.RETURNED
        for comm, count in zip(COMMS, counts, strict=True):
            histories[rank].comms[comm] = CommInfo(comm, *COMMS[comm], everybody)
            histories[rank].entries += [
                Entry(seq, comm, seq, "all_reduce", "", "", 8, f"train.py:{seq}", ns=seq, posted=True)
                for seq in range(1, count + 1)
            ]
    processes = {rank: Process("host", 1, 0 if rank in ended else None, 0) for rank in everybody}
    return CaseSnapshot(
        states, histories, processes, COMMS, [], Limit.DEADLINE, False, None, 1.0, 1, 0, ProgramRules(), roots=()
    )


@pytest.mark.parametrize(
    ("called", "ended", "blamed", "where"),
    [
        ([(3, 0), (2, 0)], (1,), (1,), "nccl world all_reduce #3 (at train.py:3)"),
        ([(3, 0), (2, 0)], (), (1,), "nccl world all_reduce #3 (at train.py:3)"),
        ([(3, 2), (3, 2)], (1,), (), ""),
        ([(5, 1), (4, 0)], (), (1,), "nccl other all_reduce #1"),  # the first in time
        ([(3, 0), (1, 0), (3, 0), (2, 0)], (), (1,), "nccl world all_reduce #2"),
        ([(2, 0), (3, 0)], (1,), (), ""),  # who has ended waits for nobody
    ],
)
def test_who_left_out_a_collective(
    called: list[tuple[int, int]], ended: tuple[int, ...], blamed: tuple[int, ...], where: str
) -> None:
    """The first collective that somebody who is left called and others did not names these, with its line; not proved."""
    verdict = decide(case(called, ended))
    assert (verdict.cause, verdict.proved) == (Cause.STALL, False)
    assert (verdict.blame.ranks if verdict.blame else ()) == blamed
    assert where in verdict.text
