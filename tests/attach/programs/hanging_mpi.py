"""Programs of mpi4py that never end, and in which that can be seen. `hanging_mpi.py NAME`."""

import asyncio
import fcntl
import os
import socket
import sys
import threading
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size = world.rank, world.size
peer = (rank + 1) % size


def default_tag() -> None:
    """The second message is never sent; the first was received with mpi4py's own default tag, which is any."""
    world.send("hello", dest=peer)
    world.recv(source=peer)
    world.recv(source=peer)


def any_source() -> None:
    """The same from anybody."""
    world.send("hello", dest=peer)
    world.recv()
    world.recv()


def borders() -> None:
    """An exchange with a border, long over, does not blind."""
    left = rank - 1 if rank else MPI.PROC_NULL
    right = rank + 1 if rank < size - 1 else MPI.PROC_NULL
    world.Sendrecv(np.ones(8), dest=right, recvbuf=np.zeros(8), source=left)
    if rank == 0:
        world.Barrier()
    else:
        world.recv(source=0, tag=1)


def grid() -> None:
    """A communicator with a topology, and one of a group, are communicators."""
    cart, group = world.Create_cart([size]), world.Create_group(world.group)
    for comm in (cart, group) if rank == 0 else (group, cart):
        comm.Barrier()


def persistent() -> None:
    """Requests that are started again and again."""
    send, receive = world.Send_init(np.ones(1), peer, 1), world.Recv_init(np.zeros(1), peer, 1)
    for turn in range(3):
        receive.Start()
        if turn < 2:
            send.Start()
            send.Wait()
        receive.Wait()


def two_receives() -> list[MPI.Request]:
    """For messages that are never sent."""
    return [world.Irecv(np.zeros(1), source=peer, tag=tag) for tag in (1, 2)]


def waitany() -> None:
    """Any of several would do."""
    MPI.Request.Waitany(two_receives())


def waitsome() -> None:
    """Some of several would do."""
    MPI.Request.Waitsome(two_receives())


def waitall() -> None:
    """Of several the first never comes; the last does."""
    requests = two_receives()
    world.send(b"x", dest=peer, tag=2)
    MPI.Request.Waitall(requests)


def probe() -> None:
    """A probe waits."""
    world.Probe(source=peer, tag=3)


def mprobe() -> None:
    """A matched probe waits."""
    world.Mprobe(source=peer, tag=3)


def counts() -> None:
    """A collective with counts, all of them above nothing."""
    if rank == 0:
        world.Allgatherv(np.ones(1), [np.zeros(size), [1] * size])
    else:
        world.recv(source=0, tag=1)


def numpy_root() -> None:
    """The root is a number of numpy's."""
    if rank == 0:
        world.recv(source=1, tag=1)
    else:
        world.bcast(None, root=np.int64(0))


def prefix() -> None:
    """A prefix needs the ranks below."""
    if rank == 0:
        world.recv(source=1, tag=1)
    else:
        world.scan(1)


def lock_kept() -> None:
    """mpi4py duplicates a communicator with Python's lock in its hands: another thread, which should send, never gets it."""
    fresh, control = world.Dup(), world.Dup()
    control.Barrier()
    if rank == 0:
        control.recv(source=1)
        fresh.allreduce(1)
    else:
        thread = threading.Thread(target=lambda: fresh.allreduce(1))
        thread.start()
        time.sleep(1.0)
        control.send("go", dest=0)
        thread.join()


def with_noise() -> None:
    """Other threads wait for what only this process can give them."""
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    world.Barrier()
    world.recv(source=peer)


def file_lock() -> None:
    """A lock of a file that is held in a barrier, and wanted before it."""
    with Path(__file__).open() as file:
        if rank == 0:
            fcntl.flock(file, fcntl.LOCK_EX)
        world.Barrier()
        if rank == 1:
            fcntl.flock(file, fcntl.LOCK_EX)
        world.Barrier()


def asyncio_run() -> None:
    """A future that nobody is to set, awaited below asyncio's own handler of Ctrl-C."""
    if rank == 1:
        asyncio.run(_awaited())
    world.Barrier()


async def _awaited() -> None:
    await asyncio.get_running_loop().create_future()


def forked_child() -> None:
    """A rank and a child that it has forked wait for each other at a pair of sockets; the child has the handlers of MPI."""
    mine, other = socket.socketpair()
    if rank == 0:
        if os.fork() == 0:
            mine.close()
            other.recv(1)
            os._exit(0)
        other.close()
        mine.recv(1)
    world.Barrier()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
