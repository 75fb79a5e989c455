"""Programs under mpi4py in which ranks part, after public reports and the MPI Bugs Initiative."""

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from mpi4py import MPI

world: Any = MPI.COMM_WORLD
rank: int = world.rank


def save_on_one() -> None:
    """As in deepspeedai/DeepSpeed#2993: rank 0 of 3 saves, with a barrier in it."""
    if rank == 0:
        world.Barrier()  # save
    world.allgather(rank)  # losses


def other_order() -> None:
    """Barrier and Allreduce in different order on one communicator."""
    one, other = np.ones(128), np.zeros(128)
    if rank:
        world.Barrier()  # barrier first
        world.Allreduce(one, other)
    else:
        world.Allreduce(one, other)  # sum first
        world.Barrier()


def other_roots() -> None:
    """Each rank takes the other one for the root."""
    world.Bcast(np.ones(4), root=1 - rank)  # root


def not_blocking() -> None:
    """A non-blocking collective on one rank where the other enters the blocking one."""
    one, other = np.ones(4), np.zeros(4)
    if rank:
        world.Iallreduce(one, other).Wait()  # non-blocking
    else:
        world.Allreduce(one, other)  # blocking


def sends_first() -> None:
    """Both send first, more than is buffered."""
    one, other = np.ones(5_000_000), np.zeros(5_000_000)
    world.Send(one, dest=1 - rank, tag=5)  # sent
    world.Recv(other, source=1 - rank, tag=5)


def wrong_tag() -> None:
    """A message lies there with another tag than the receiver wants."""
    for step in range(3):
        if rank == 0:
            world.send(step, dest=1, tag=7)  # lies
        else:
            world.recv(source=0, tag=7 if step < 2 else 8)  # wants
        world.Barrier()


def waits_for_itself() -> None:
    """A rank receives from itself what it never sends."""
    if rank == 0:
        world.recv(source=0, tag=3)  # itself
    world.Barrier()


PROGRAMS: dict[str, Callable[[], None]] = {
    program.__name__: program
    for program in (save_on_one, other_order, other_roots, not_blocking, sends_first, wrong_tag, waits_for_itself)
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]]()
