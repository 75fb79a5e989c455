"""Of MPI a wait beside another operation is hopeless while its member stands there. Pure."""

from __future__ import annotations

import pytest

from lockstep.harness.judge.mismatch import Mismatch, hopeless
from lockstep.harness.trace.event import Need
from lockstep.harness.trace.state import RankState
from tests.judge.test_mismatch import MPICH, entry, waiting


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize(
    ("theirs", "data", "never"),
    [("barrier", "MPI_INT MPI_SUM", True), ("barrier", "", False), ("allreduce", "MPI_INT MPI_SUM", False)],
)
def test_a_prefix_is_hopeless_on_any_rank(rank: int, theirs: str, data: str, never: bool) -> None:
    """Of buffers, where that was measured: one of objects is a chain of messages, and others pair with it on the wire."""
    comm, other = "mpi:world", 1 - rank
    entries = {rank: entry("scan", comm)._replace(data=data), other: entry(theirs, comm)}
    states = {rank: waiting(Need.BELOW, "scan", comm), other: waiting(Need.ALL, theirs, comm)}
    found = hopeless(states, [Mismatch(comm, 3, entries, (rank, other))], {comm: (0, 1)}, MPICH, {0: "a", 1: "a"})
    assert found == ({(rank, comm, 3): (other,), (other, comm, 3): (rank,)} if never else {})


@pytest.mark.parametrize(("ended", "lost"), [(False, False), (True, True)])
def test_who_leaves_the_other_operation_of_mpi_may_enter_the_matching_one(ended: bool, lost: bool) -> None:
    """MPICH matches by the operation, whatever the number: nothing is hopeless while its member runs on."""
    comm = "mpi:world"
    entries = {0: entry("barrier", comm), 1: entry("scan", comm)}
    states = {0: waiting(Need.ALL, "barrier", comm), 1: RankState(1, gone=ended)}
    found = hopeless(states, [Mismatch(comm, 3, entries, (0,))], {comm: (0, 1)}, MPICH, {0: "a", 1: "a"})
    assert found == ({(0, comm, 3): (1,)} if lost else {})
