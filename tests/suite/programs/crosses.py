"""A deadlock: each rank receives what the other one would send next."""

from mpi4py import MPI

world = MPI.COMM_WORLD
world.recv(source=1 - world.rank, tag=3)
world.send(None, 1 - world.rank, 3)
