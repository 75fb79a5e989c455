"""A rank of `doctor`'s trial: `python -m lockstep.harness.launch.trial_rank` loads MPI, meets its peers, and says so."""

from __future__ import annotations

import os

MET = "LOCKSTEP-MET"


def main() -> None:
    """One write, so that no other rank's line is within it."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    world.Barrier()
    os.write(1, f"\n{MET} {world.rank} of {world.size}\n".encode())


if __name__ == "__main__":
    main()
