"""Two ranks of MPI: rank 0 waits for a message that rank 1, which is already in a barrier, never sends."""

import sys
from pathlib import Path

from mpi4py import MPI

world = MPI.COMM_WORLD
world.Barrier()
Path(sys.argv[1], f"ready-{world.rank}").touch()

if world.rank == 0:
    world.recv(source=1, tag=7)
world.Barrier()
