"""Two ranks and two libraries: mpi4py for control, torch.distributed over gloo for data. Rank 1 may go another way."""

import sys

import torch
import torch.distributed as dist
from mpi4py import MPI

world = MPI.COMM_WORLD
dist.init_process_group("gloo", rank=world.rank, world_size=world.size)
value = torch.ones(32)  # kept: a worker that drops the last reference asks for Python's lock, which may have ended by then
free_blocks = 96 if world.rank == 0 or sys.argv[1] == "same" else 24

if free_blocks >= 32:
    dist.all_reduce(value)
world.Barrier()

print(f"rank {world.rank}: ready")
dist.destroy_process_group()
