"""Correct: both ranks meet in a barrier."""

from mpi4py import MPI

MPI.COMM_WORLD.barrier()
