"""Two ranks that end well, under mpi4py. `tidy`: nothing is left, in each way that MPI has; `untidy`: something is."""

import sys

import numpy as np
from mpi4py import MPI

world = MPI.COMM_WORLD
other = 1 - world.rank
kept: list[object] = []


def tidy() -> None:
    """Waited for, tested, freed, cancelled, never started; received from anybody, or by a probe; predefined and freed."""
    request = world.isend("a", other, 1)
    world.recv(source=MPI.ANY_SOURCE, tag=1)
    while not request.test()[0]:
        pass
    world.Isend(np.ones(1), other, 2).Free()
    world.Mprobe(other, 2).Recv(np.ones(1))
    late = world.Irecv(np.ones(1), other, 3)
    late.Cancel()
    late.Wait()
    kept.append(world.Recv_init(np.ones(1), other, 4))
    again = world.Send_init(np.ones(1), other, 5)
    again.Start()
    world.Recv(np.ones(1), other, 5)
    again.Wait()
    again.Free()
    requests = [world.Ibarrier(), world.Irecv(np.ones(1), other), world.Isend(np.ones(1), other)]
    MPI.Request.Waitall(requests)
    world.Dup().Free()
    MPI.COMM_SELF.sendrecv(1, 0, source=0)


def untidy() -> None:
    """A send and a receive that are not waited for, a message that nobody wants, a communicator that is kept."""
    if world.rank == 0:
        kept.append(world.isend("a", 1, 6))
        world.send("b", 1, 7)
        world.send("b", 1, 7)
    else:
        world.recv(source=0, tag=6)
        world.irecv(source=0, tag=8)
    kept.append(world.Split(0))
    world.barrier()


{"tidy": tidy, "untidy": untidy}[sys.argv[1]]()
