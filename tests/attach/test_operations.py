"""Whom an operation surely needs before it can end."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lockstep.harness.attach import mpi_ops, torch_ops
from lockstep.harness.trace.event import Need

FULL, EMPTY = torch.ones(4), torch.ones(0)


class Rooted:
    """Options as torch.distributed passes them."""

    rootRank = 1  # noqa: N815


@pytest.mark.parametrize(
    ("name", "arguments", "rank", "need", "root", "size"),
    [
        ("allreduce", ([FULL], object()), 0, Need.ALL, -1, 4),
        ("allreduce", ([EMPTY], object()), 0, Need.NOBODY, -1, 0),
        ("barrier", (object(),), 0, Need.ALL, -1, -1),
        ("broadcast", ([FULL], Rooted()), 0, Need.ROOT, 1, 4),
        ("broadcast", ([FULL], Rooted()), 1, Need.NOBODY, 1, 4),
        ("broadcast", ([FULL], 1), 0, Need.ROOT, 1, 4),
        ("reduce", ([FULL], Rooted()), 1, Need.ALL, 1, 4),
        ("reduce", ([FULL], Rooted()), 0, Need.NOBODY, 1, 4),
        ("gather", ([], [FULL], Rooted()), 0, Need.NOBODY, 1, -1),
        ("gather_single", (torch.ones(8), FULL, Rooted()), 0, Need.NOBODY, 1, 4),
        ("gather_single", (torch.ones(8), FULL, Rooted()), 1, Need.ALL, 1, 4),
        ("_allgather_base", (torch.ones(8), FULL), 0, Need.ALL, -1, 4),
        ("allgather", ([[FULL, EMPTY]], [FULL]), 0, Need.NOBODY, -1, -1),
        ("alltoall_base", (FULL, FULL, [2, 2], [2, 2]), 0, Need.ALL, -1, -1),
        ("alltoall_base", (FULL, FULL, [4, 0], [2, 2]), 0, Need.NOBODY, -1, -1),
        ("monitored_barrier", (), 0, Need.ALL, 0, -1),
        ("monitored_barrier", (), 1, Need.ROOT, 0, -1),
    ],
)
def test_torch(name: str, arguments: tuple[object, ...], rank: int, need: Need, root: int, size: int) -> None:
    """What is rooted needs its root, or everybody there; what has nothing to move needs nobody for sure."""
    assert torch_ops.describe(name, arguments, {}, rank) == (need, root, size)


@pytest.mark.parametrize(
    ("name", "arguments", "root", "rank", "expected"),
    [
        ("barrier", (), 0, 0, (Need.ALL, -1)),
        ("allreduce", (1,), 0, 0, (Need.ALL, -1)),
        ("bcast", ("x", 0), 0, 1, (Need.ROOT, 0)),
        ("bcast", ("x", 0), 0, 0, (Need.NOBODY, 0)),
        ("gather", (1,), 0, 1, (Need.NOBODY, 0)),
        ("gather", (1,), 0, 0, (Need.ALL, 0)),
        ("scan", (1,), 0, 1, (Need.BELOW, -1)),
        ("scan", (1,), 0, 0, (Need.NOBODY, -1)),
        ("Allreduce", (np.ones(2), np.ones(2)), 0, 0, (Need.ALL, -1)),
        ("Allreduce", (np.ones(0), np.ones(0)), 0, 0, (Need.NOBODY, -1)),
        ("Allgather", ([np.ones(2), "MPI_INT"], [np.ones(2), "MPI_INT"]), 0, 0, (Need.ALL, -1)),
        ("Alltoallv", ([np.ones(2), [2, 0]], [np.ones(2), [2, 0]]), 0, 0, (Need.NOBODY, -1)),
        ("Alltoallv", ([np.ones(2), [1, 1]], [np.ones(2), ([1, 1], [0, 1])]), 0, 0, (Need.ALL, -1)),
        ("Allgatherv", (np.ones(2), np.ones(4)), 0, 0, (Need.NOBODY, -1)),
        ("Allgatherv", (np.ones(2), [np.ones(4), np.array([2, 2])]), 0, 0, (Need.ALL, -1)),
        ("Iallreduce", (np.ones(2), np.ones(2)), 0, 0, (Need.ALL, -1)),
    ],
)
def test_mpi(name: str, arguments: tuple[object, ...], root: int, rank: int, expected: tuple[Need, int]) -> None:
    """The same for mpi4py's operations, pickled and with buffers."""
    assert mpi_ops.needs(mpi_ops.COLLECTIVES[name], root, rank, arguments, {}) == expected
