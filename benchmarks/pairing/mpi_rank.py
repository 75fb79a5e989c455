"""One rank of a measured pair of MPI's collectives: `python mpi_rank.py FOLDER FORM FIRST SECOND`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

world: Any = MPI.COMM_WORLD


def operations(form: str, root: int) -> dict[str, Callable[[], object]]:
    """What to call, by the name that the recorder gives it; non-blocking ones with an `i` before it."""
    n, ranks = (1 << 16 if form == "large" else 8), world.size
    one, many = np.ones(n), np.ones(n * ranks)
    out, more = np.zeros(n), np.zeros(n * ranks)
    makers: dict[str, Callable[[], object]] = {
        "dup": lambda: world.Dup(),
        "split": lambda: world.Split(0, world.rank),
        "create": lambda: world.Create(world.Get_group()),
        "split_type": lambda: world.Split_type(MPI.COMM_TYPE_SHARED),
    }
    if form == "objects":
        return makers | {
            "barrier": lambda: world.barrier(),
            "bcast": lambda: world.bcast([1], root=root),
            "gather": lambda: world.gather([1], root=root),
            "scatter": lambda: world.scatter([1] * ranks if world.rank == root else None, root=root),
            "allgather": lambda: world.allgather([1]),
            "alltoall": lambda: world.alltoall([1] * ranks),
            "reduce": lambda: world.reduce(1, root=root),
            "allreduce": lambda: world.allreduce(1),
            "scan": lambda: world.scan(1),
            "exscan": lambda: world.exscan(1),
        }
    inplace = world.rank == root
    return makers | {
        "barrier": lambda: world.Barrier(),
        "bcast": lambda: world.Bcast(one, root=root),
        "gather": lambda: world.Gather(one, more if inplace else None, root=root),
        "scatter": lambda: world.Scatter(many if inplace else None, out, root=root),
        "allgather": lambda: world.Allgather(one, more),
        "alltoall": lambda: world.Alltoall(many, more),
        "reduce": lambda: world.Reduce(one, out if inplace else None, root=root),
        "allreduce": lambda: world.Allreduce(one, out),
        "reduce_scatter": lambda: world.Reduce_scatter_block(many, out),
        "scan": lambda: world.Scan(one, out),
        "exscan": lambda: world.Exscan(one, out),
        "ibarrier": lambda: world.Ibarrier().Wait(),
        "ibcast": lambda: world.Ibcast(one, root=root).Wait(),
        "igather": lambda: world.Igather(one, more if inplace else None, root=root).Wait(),
        "iscatter": lambda: world.Iscatter(many if inplace else None, out, root=root).Wait(),
        "iallgather": lambda: world.Iallgather(one, more).Wait(),
        "ialltoall": lambda: world.Ialltoall(many, more).Wait(),
        "ireduce": lambda: world.Ireduce(one, out if inplace else None, root=root).Wait(),
        "iallreduce": lambda: world.Iallreduce(one, out).Wait(),
        "ireduce_scatter": lambda: world.Ireduce_scatter_block(many, out).Wait(),
        "iscan": lambda: world.Iscan(one, out).Wait(),
        "iexscan": lambda: world.Iexscan(one, out).Wait(),
    }


def main() -> None:
    """Tell where this process is, enter, and tell that it is out."""
    folder, form, first, second = sys.argv[1:5]
    name = second if world.rank == world.size - 1 else first
    operation, _, root = name.partition("@")
    # `@root`: of this operation the rank that enters it is the root, or (the first, on several ranks) rank 0.
    me = world.size - 1 if name is second else 0
    at = me if root == "root" else (0 if me else world.size - 1)
    call = operations(form, at)[operation]
    with open(f"{folder}/{world.rank}", "wb", buffering=0) as file:  # noqa: PTH123
        world.Barrier()
        file.write(b"%d i" % os.getpid())
        try:
            call()
        except Exception:
            file.write(b"x")
        else:
            file.write(b"o")
        while True:  # what others wait for may need this rank's progress
            world.Iprobe()
            time.sleep(0.001)


if __name__ == "__main__":
    main()
