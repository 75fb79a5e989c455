"""Ranks under MPI that end in unusual ways: `python mpi_program.py NAME [signal]`. None knows what is said of it."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

me = int(os.environ.get("PMI_RANK", "0"))
INSIDE_S = 3.0  # who calls an operation now is inside of it by then


def kill_inside() -> None:
    """SIGKILL this process when it is inside of what it calls next: a child does it, since MPI may hold Python's lock."""
    parent = os.getpid()
    if os.fork() == 0:
        time.sleep(INSIDE_S)
        os.kill(parent, signal.SIGKILL)
        os._exit(0)


def wait_for_end(pid: int) -> None:
    """Until a process of this host is no more, or only waits to be asked how it ended."""
    while True:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
        except OSError:
            return
        time.sleep(0.05)


def exit0() -> None:
    """Everything is done, MPI finalized; the interpreter's own end is left out."""
    from mpi4py import MPI

    MPI.COMM_WORLD.Barrier()
    MPI.Finalize()
    os._exit(0)


def exit0_before_finalize() -> None:
    """All is done; rank 1 leaves out the interpreter's own end and MPI's, for which rank 0 waits in its own."""
    from mpi4py import MPI

    MPI.COMM_WORLD.Barrier()
    if me == 1:
        os._exit(0)


def exit0_inside() -> None:
    """A thread of the last rank ends it with status 0 while it is in a barrier to which the others never come."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    if me == world.size - 1:
        threading.Timer(INSIDE_S, os._exit, [0]).start()
        world.Barrier()
    world.recv(source=world.size - 1, tag=1)


def raise_before_init() -> None:
    """Rank 1 fails before it has loaded MPI."""
    if me == 1:
        raise ImportError("no such module")
    from mpi4py import MPI

    MPI.COMM_WORLD.Barrier()


def exit0_before_init() -> None:
    """Rank 1 leaves in order before it has loaded MPI."""
    if me == 1:
        os._exit(0)
    from mpi4py import MPI

    MPI.COMM_WORLD.Barrier()


def killed_before_init() -> None:
    """Rank 1 is killed before it has loaded MPI."""
    if me == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    from mpi4py import MPI

    MPI.COMM_WORLD.Barrier()


def killed_in_init() -> None:
    """Rank 1 is killed inside MPI_Init, to which rank 0 comes only then."""
    mark = Path(sys.argv[2])
    if me == 1:
        mark.write_text(str(os.getpid()))
        kill_inside()
    else:
        while not mark.exists() or not mark.read_text():
            time.sleep(0.05)
        wait_for_end(int(mark.read_text()))
    begin()


def begin() -> None:
    """MPI_Init."""
    from mpi4py import MPI

    MPI.COMM_WORLD.Barrier()


def killed_in_allreduce() -> None:
    """The last rank is killed inside an operation; the others enter it afterwards."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    last = world.allgather(os.getpid())[-1]
    if me == world.size - 1:
        kill_inside()
    else:
        wait_for_end(last)
    reduce_all(world)


def reduce_all(world: object) -> None:
    """An allreduce."""
    world.allreduce(1)  # type: ignore[attr-defined]


def killed_when_others_ended() -> None:
    """Rank 0 dies when its peers have nothing more to do than to wait for it in MPI_Finalize."""
    from mpi4py import MPI

    MPI.COMM_WORLD.Barrier()
    if me == 0:
        time.sleep(1)
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))


def abort_after_the_end() -> None:
    """A library aborts when the interpreter is gone."""
    from mpi4py import MPI

    MPI.COMM_WORLD.Barrier()
    ctypes.pythonapi.Py_AtExit(ctypes.CDLL(None).abort)


def goes_on_alone() -> None:
    """The last rank is killed when nobody needs it any more; the others compute on, longer than silence is borne."""
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    half = world.Split(int(me == world.size - 1))
    world.Barrier()
    if me == world.size - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    for _ in range(20):
        time.sleep(1)
        half.Barrier()
    print("done", flush=True)
    os._exit(0)


def proxy_killed() -> None:
    """Somebody kills the launcher's daemon."""
    from mpi4py import MPI

    MPI.COMM_WORLD.Barrier()
    pid = os.getpid()
    while Path(f"/proc/{pid}/comm").read_text().strip() != "hydra_pmi_proxy":
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    if me == 0:
        time.sleep(float(sys.argv[2]))
        os.kill(pid, signal.SIGKILL)
    MPI.COMM_WORLD.Barrier()
    MPI.COMM_WORLD.recv(source=(me + 1) % 2)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
