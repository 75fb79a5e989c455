"""Correct programs of mpi4py, drawn by a seed: `python random_mpi.py SEED COUNT`. Every rank draws the same, and each ends.

All that is sent in a step is received in it, by whatever kind of call; tags tell the steps apart. Delays, slow unpickling,
helper threads and signals make ranks wait for each other in ways that look like a deadlock for a while.
"""

import random
import signal
import sys
import threading
import time
from typing import Any

import numpy as np
from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size = world.rank, world.size
draw = random.Random(f"{sys.argv[1]}")  # the same on every rank
own = random.Random(f"{sys.argv[1]} {rank}")  # when this rank does it


class Mine(MPI.Intracomm):
    """A communicator of the program's own class."""


def arrive(text: str, seconds: float) -> str:
    """What a slow object does while it is unpickled."""
    end = time.monotonic() + seconds
    if draw_slow(text):
        time.sleep(seconds)
    while time.monotonic() < end:
        sum(range(1000))
    return text


def draw_slow(text: str) -> bool:
    """Whether it sleeps, or computes."""
    return len(text) % 2 == 0


class Slow:
    """An object that takes its time to arrive."""

    def __init__(self, text: str, seconds: float) -> None:
        self.about = (text, seconds)

    def __reduce__(self) -> tuple[object, ...]:
        return arrive, self.about


def value(number: int) -> object:
    """Something to send: small, large, or slow to arrive."""
    kind = draw.choice(["small", "small", "large", "slow"])
    if kind == "large":
        return {n: float(n) for n in range(draw.choice([10_000, 100_000]))}
    return Slow(f"m{number}", draw.uniform(0, 0.6)) if kind == "slow" else number


def pause() -> None:
    """Now and then a rank is late."""
    if own.random() < 0.3:
        time.sleep(own.uniform(0, 0.4))


def number(text: int) -> Any:
    """A rank or a tag as programs write it."""
    return own.choice([int, np.int64, np.int32])(text)


def a_comm() -> MPI.Comm:
    """A communicator with everybody in it, which each rank numbers as the world does."""
    return draw.choice(COMMS)


COMMS: list[MPI.Comm] = [
    world,
    world.Dup(),
    Mine(world).Dup(),
    world.Split(0, rank),
    world.Create_cart([size]),
    world.Create_group(world.group),
]
KINDS = (
    "barrier", "bcast", "gather", "allgather", "allreduce", "scan", "Allreduce", "Bcast", "Allgatherv", "alltoall",
    "Ibarrier", "python",
)  # fmt: skip


class Adding:
    """An operation of a reduction in Python, which takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __call__(self, one: int, other: int) -> int:
        """Add them, after a while."""
        time.sleep(self.seconds)
        return one + other


def collective(tag: int) -> None:
    """One collective, or several, on one communicator."""
    comm = a_comm()
    root = draw.choice([int, np.int64])(draw.randrange(size))
    for name in draw.choices(KINDS, k=3):
        thing = value(tag)
        pause()
        if name in ("bcast", "gather"):
            getattr(comm, name)(thing, root=root)
        elif name in ("allgather", "allreduce", "scan"):
            getattr(comm, name)(thing if name == "allgather" else 1)
        elif name == "barrier":
            comm.barrier()
        elif name == "alltoall":
            comm.alltoall([thing] * size)
        elif name == "Ibarrier":
            comm.Ibarrier().Wait()
        elif name == "python":
            comm.allreduce(rank, op=Adding(draw.uniform(0, 0.4)))
        elif name == "Bcast":
            comm.Bcast(np.full(4, rank), root=root)
        elif name == "Allgatherv":
            comm.Allgatherv(np.ones(2), [np.zeros(2 * size), [2] * size])
        else:
            comm.Allreduce(np.ones(3), np.zeros(3))


def messages(tag: int) -> None:
    """A random set of messages, which each rank sends and receives in a random way."""
    comm = a_comm()
    listed = [(draw.randrange(size), draw.randrange(size), tag + draw.randrange(3)) for _ in range(draw.randint(1, 5))]
    things = [value(n) for n in range(len(listed))]
    ways = [draw.choice(["isend", "issend", "base", "persistent"]) for _ in listed]
    how = draw.choice(["named", "any source", "any tag", "posted", "waitany", "waitsome", "probe", "mprobe", "cancel"])
    requests = []
    expected = [(source, label) for source, dest, label in listed if dest == rank]
    posted = []
    if how in ("posted", "waitany", "waitsome"):
        # The buffer of a pickled receive must hold what comes.
        posted = [comm.irecv(bytearray(1 << 22), source, label) for source, label in expected]
    if how == "cancel":
        for source, label in expected:
            request = comm.Irecv(bytearray(8), source, label)
            request.Cancel()
            status = MPI.Status()
            request.Wait(status)
            assert status.Is_cancelled()
    if how == "cancel":
        comm.Barrier()  # nothing may have been sent before it was taken back
    for (source, dest, label), thing, way in zip(listed, things, ways, strict=True):
        if source != rank:
            continue
        pause()
        if way == "base":
            requests.append(MPI.Comm.isend(comm, thing, number(dest), tag=number(label)))
        elif way == "persistent":
            data = MPI.pickle.dumps(thing)
            request = comm.Send_init([data, MPI.BYTE], dest, label)
            request.Start()
            requests.append(request)
        else:
            requests.append(getattr(comm, way)(thing, dest=number(dest), tag=number(label)))
    pause()
    receive(comm, how, expected, posted)
    MPI.Request.Waitall([request for request in requests if request != MPI.REQUEST_NULL])


def receive(comm: MPI.Comm, how: str, expected: list[tuple[int, int]], posted: list[MPI.Request]) -> None:
    """All that is on its way to this rank."""
    if how == "posted":
        MPI.Request.waitall(posted)
    elif how == "waitany":
        for _ in posted:
            MPI.Request.waitany(posted)
    elif how == "waitsome":
        done = 0
        while done < len(posted):
            done += len(MPI.Request.waitsome(posted)[0] or ())
    else:
        for source, label in expected:
            if how == "any source":
                comm.recv(source=MPI.ANY_SOURCE, tag=label)
            elif how == "any tag":
                comm.recv(source=source, tag=MPI.ANY_TAG)
            elif how == "probe":
                comm.Probe(source, label)
                comm.recv(source=source, tag=label)
            elif how == "mprobe":
                comm.mprobe(source, label).recv()
            else:
                comm.recv(source=number(source), tag=number(label))


def exchange(tag: int) -> None:
    """Neighbours exchange, with borders."""
    comm = a_comm()
    ring = draw.random() < 0.5
    left, right = rank - 1, rank + 1
    left = left % size if ring else left if left >= 0 else MPI.PROC_NULL
    right = right % size if ring else right if right < size else MPI.PROC_NULL
    pause()
    if draw.random() < 0.5:
        comm.sendrecv(value(tag), dest=right, sendtag=tag, source=left, recvtag=tag)
    else:
        comm.Sendrecv(np.ones(4), dest=right, sendtag=tag, recvbuf=np.zeros(4), source=left, recvtag=tag)


def by_thread(tag: int) -> None:
    """A helper thread does what the peer waits for, while the main thread waits for the peer, or for the helper."""
    comm = a_comm()
    actor = draw.randrange(size)
    peer = (actor + 1) % size
    how = draw.choice(["sleep", "event", "signal", "pool"])
    later = draw.uniform(0.1, 1.2)
    if rank == actor:
        go = threading.Event()

        def helper() -> None:
            if how == "sleep":
                time.sleep(later)
            else:
                go.wait()
            comm.send("from a thread", dest=peer, tag=tag)

        thread = threading.Thread(target=helper)
        thread.start()
        if how == "signal":
            signal.signal(signal.SIGALRM, lambda number, frame: go.set())
            signal.setitimer(signal.ITIMER_REAL, later)
            thread.join()
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
        elif how != "sleep":
            timer = threading.Timer(later, go.set)
            timer.start()
        comm.recv(source=peer, tag=tag)
        thread.join()
    if rank == peer:
        comm.recv(source=actor, tag=tag)
        comm.send("back", dest=actor, tag=tag)


def to_itself(tag: int) -> None:
    """A rank receives from anybody what it has sent to itself, or what a peer has."""
    comm = a_comm()
    thing = value(tag)
    from_first = draw.random() < 0.5
    to = [rank] if not from_first else range(size) if rank == 0 else []
    requests = [comm.isend(thing, dest, tag) for dest in to]
    pause()
    comm.recv(source=MPI.ANY_SOURCE, tag=tag)
    MPI.Request.waitall(requests)


def isolated(tag: int) -> None:
    """Between two barriers everything may be left open."""
    comm = a_comm()
    comm.Barrier()
    dest = draw.randrange(size)
    requests = [comm.isend(value(tag), dest, tag + draw.randrange(5))]
    if rank == dest:
        for _ in range(size):
            comm.recv()
    MPI.Request.waitall(requests)
    comm.Barrier()


def split(tag: int) -> None:
    """Halves of the world, for a while."""
    half = world.Split(rank % 2, rank)
    pause()
    half.allreduce(1)
    if half.size > 1:
        half.sendrecv(1, (half.rank + 1) % half.size, tag, source=(half.rank - 1) % half.size, recvtag=tag)
    half.Free()


STEPS = [collective, messages, messages, messages, exchange, by_thread, to_itself, isolated, split]

for program in range(int(sys.argv[2])):
    for step in range(draw.randint(2, 5)):
        draw.choice(STEPS)(1000 * program + 100 * step)
    world.Barrier()
    print(f"rank {rank} did program {program}", flush=True)
