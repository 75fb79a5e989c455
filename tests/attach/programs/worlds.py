"""MPI worlds beside each other in one command: worlds.py both | one FIRST | spawns | spawned.

`both` starts two worlds of two ranks at once; in one rank 0 comes late, in the other rank 1. `spawns` has its ranks start
four more and end; the first two of those come late.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

LATE_S = 7.0  # when a knot would have been proved long since


def both() -> None:
    """Begun at the same time, so that their ranks come in any order."""
    launcher = str(Path(sys.executable).parent / "mpiexec")
    words = [[launcher, "-n", "2", sys.executable, __file__, "one", late] for late in ("0", "1")]
    for world in [subprocess.Popen(argv) for argv in words]:
        assert world.wait() == 0


def one() -> None:
    """Each waits for a message of the one that is late."""
    from mpi4py import MPI

    world, late = MPI.COMM_WORLD, int(sys.argv[2])
    world.barrier()
    if world.rank == late:
        time.sleep(LATE_S)
        world.send(1, 1 - late)
    else:
        world.recv(source=late)
    world.barrier()


def spawns() -> None:
    """Its ranks end before those that they have started."""
    from mpi4py import MPI

    MPI.COMM_WORLD.Spawn(sys.executable, [__file__, "spawned"], 4).Disconnect()


def spawned() -> None:
    """A world of their own."""
    from mpi4py import MPI

    MPI.Comm.Get_parent().Disconnect()
    if MPI.COMM_WORLD.rank < 2:
        time.sleep(LATE_S)
    MPI.COMM_WORLD.barrier()


globals()[sys.argv[1]]()
