"""A program of two ranks under mpi4py, which knows nothing of Lockstep. `python mpi_program.py NAME`."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size = world.rank, world.size
last = rank == size - 1


def clean() -> None:
    """All kinds of operations, in order."""
    assert world.allgather(rank) == list(range(size))
    assert world.bcast("x" if rank == 0 else None) == "x"
    both = np.zeros(2)
    world.Allreduce(np.ones(2), both)
    assert both.tolist() == [size, size]
    half = world.Split(rank % 2, rank)
    assert half.allreduce(1) == (size + 1 - rank % 2) // 2
    request = world.isend({"a": rank}, (rank + 1) % size, tag=7)
    assert world.recv(source=(rank - 1) % size, tag=7) == {"a": (rank - 1) % size}
    request.wait()
    requests = [world.Isend(np.ones(1), (rank + 1) % size), world.Irecv(both[:1], (rank - 1) % size)]
    MPI.Request.Waitall(requests)
    assert world.sendrecv(rank, (rank + 1) % size, source=(rank - 1) % size) == (rank - 1) % size
    world.Ibarrier().Wait()
    assert isinstance(world, MPI.Intracomm)
    assert type(half) is MPI.Intracomm


def deadlock() -> None:
    """Two communicators, used in different orders."""
    other = world.Dup()
    for comm in (other, world) if last else (world, other):
        comm.allreduce(1)


def both_receive() -> None:
    """Everybody receives before it sends."""
    world.recv(source=(rank - 1) % size, tag=3)
    world.send(1, (rank + 1) % size, tag=3)


def raise_one() -> None:
    """One rank raises, the others wait for it."""
    if last:
        raise RuntimeError("no more blocks")
    world.barrier()


def kill_one() -> None:
    """One rank is killed, the others wait for it."""
    if last:
        os.kill(os.getpid(), signal.SIGKILL)
    world.barrier()


def return_early() -> None:
    """One rank is done, the others wait for it."""
    if not last:
        world.barrier()


def finalize_early() -> None:
    """One rank is done and says so itself, the others wait for it."""
    if not last:
        world.recv(source=size - 1, tag=1)
    MPI.Finalize()


def exit_without_finalize() -> None:
    """The program of one rank leaves MPI as it is, for which its peers wait in MPI_Finalize."""
    world.barrier()
    if last:
        os._exit(0)
    MPI.Finalize()


def finalize_late() -> None:
    """Each comes to MPI_Finalize in its own way: called and gone on from, at the interpreter's end, and seconds later."""
    world.barrier()
    if rank == 0:
        MPI.Finalize()
        time.sleep(0.5)
    elif last:
        time.sleep(4)


def abort() -> None:
    """One rank ends the job."""
    if last:
        world.Abort(3)
    world.barrier()


def through_ctypes() -> None:
    """One rank meets its peers past mpi4py, and then everybody waits for a message that nobody sends."""
    if last:
        maps = Path("/proc/self/maps").read_text().splitlines()
        path = next(line.split()[-1] for line in maps if "libmpi.so" in line)
        ctypes.CDLL(path).MPI_Barrier(ctypes.c_void_p(MPI._handleof(world)) if "openmpi" in path else MPI._handleof(world))
    else:
        world.Barrier()
    world.recv(source=(rank + 1) % size)


def late_thread() -> None:
    """A thread that has never communicated wakes up after a while and does what the peer waits for."""
    other = world.Dup()
    if last:

        def come_late() -> None:
            time.sleep(3)
            other.barrier()

        thread = threading.Thread(target=come_late)
        thread.start()
        world.barrier()
        thread.join()
    else:
        other.barrier()
        world.barrier()


def idle_threads() -> None:
    """A deadlock while other threads wait for locks that nobody will release."""
    event = threading.Event()
    threading.Thread(target=event.wait, daemon=True).start()
    deadlock()


if __name__ == "__main__":
    programs: dict[str, Callable[[], None]] = {
        program.__name__: program
        for program in (
            clean, deadlock, both_receive, finalize_early, exit_without_finalize, finalize_late, raise_one, kill_one,
            return_early, abort, through_ctypes, late_thread, idle_threads,
        )
    }  # fmt: skip
    programs[sys.argv[1]]()
    print(f"rank {rank} done")
