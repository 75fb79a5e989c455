"""What tests run on several hosts: `program.py MODE`. Each rank says where it runs, and then does as it was told."""

from __future__ import annotations

import os
import signal
import sys
import time

from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size = world.rank, world.size
print(f"rank {rank} of {size} on {os.uname().nodename}", flush=True)
world.barrier()
match sys.argv[1]:
    case "deadlock":
        world.recv(source=(rank + 1) % size)
    case "raise":
        if rank == size - 1:
            raise RuntimeError("no memory on this rank")
        world.barrier()
    case "kill":
        if rank == size - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        world.barrier()
    case "exit":
        os._exit(3)
    case "busy":
        while True:
            world.barrier()
            time.sleep(0.02)
world.barrier()
