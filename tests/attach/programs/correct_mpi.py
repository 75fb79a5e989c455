"""Programs of mpi4py that end in order, though for some seconds they look as if they never could. `correct_mpi.py NAME`."""

import ctypes
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mpi4py import MPI

world = MPI.COMM_WORLD
rank, size = world.rank, world.size
peer = 1 - rank
LATE_S = 4.0  # much longer than a proof takes


def load() -> str:
    """What unpickling runs."""
    time.sleep(LATE_S)
    return "loaded"


class Slow:
    """It takes its time to be unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return load, ()


class Large:
    """It takes its time, in C, without letting go of Python's lock."""

    def __reduce__(self) -> tuple[object, ...]:
        ctypes.PyDLL(None).usleep(int(LATE_S * 1e6))
        return str, ()


def hand_over(send: Callable[[object], object], receive: Callable[[], object] = lambda: world.recv(source=0)) -> None:
    """The first rank hands something over that arrives slowly, and waits for the answer."""
    if rank == 0:
        send(Slow())
        assert world.recv(source=1) == "thanks"
    else:
        assert receive() == "loaded"
        world.send("thanks", dest=0)


def numpy_peer() -> None:
    """The peer is a number of numpy's."""
    hand_over(lambda thing: world.send(thing, dest=np.int64(1)))


def base_class() -> None:
    """The method is called through the base class."""
    hand_over(lambda thing: MPI.Comm.send(world, thing, 1))


def other_object() -> None:
    """The communicator is another object with the same handle."""
    hand_over(lambda thing: MPI.Intracomm(world).send(thing, 1))


def fortran_handle() -> None:
    """The communicator has been to Fortran and back."""
    hand_over(lambda thing: MPI.Comm.f2py(world.py2f()).send(thing, 1))


def cancelled() -> None:
    """A receive was taken back, and the next takes the message."""
    if rank == 1:
        request = world.Irecv(bytearray(4), source=0, tag=0)
        request.Cancel()
        request.Wait()
    world.Barrier()
    hand_over(lambda thing: world.send(thing, 1, tag=0), lambda: world.recv(source=0, tag=0))


def to_itself() -> None:
    """A rank receives from anybody what it has sent to itself."""
    if rank == 0:
        world.send("for the other", 1, tag=5)
        request = world.isend(Slow(), 0, tag=4)
        assert world.recv(tag=4) == "loaded"
        request.wait()
        world.send("done", 1, tag=6)
    else:
        world.recv(source=0, tag=5)
        world.recv(source=0, tag=6)


def futures() -> None:
    """mpi4py.futures, which derives classes from MPI's own."""
    from mpi4py.futures import MPICommExecutor

    with MPICommExecutor(world, root=0) as pool:
        if pool is not None:
            assert list(pool.map(abs, range(-3, 1))) == [3, 2, 1, 0]  # type: ignore[attr-defined]


def error_of(call: Callable[[], object]) -> int:
    """What MPI says of a call that is wrong."""
    try:
        call()
    except MPI.Exception as error:
        return error.Get_error_class()
    raise AssertionError("MPI took a rank that does not exist")


def no_such_rank() -> None:
    """It expects the error."""
    assert error_of(lambda: world.recv(source=size, tag=0)) == MPI.ERR_RANK
    assert error_of(lambda: world.send(1, size)) == MPI.ERR_RANK
    assert error_of(lambda: world.bcast(None, root=size)) == MPI.ERR_ROOT
    world.Barrier()


class Mine(MPI.Intracomm):
    """A communicator of its own class."""

    def hello(self) -> str:
        """What a communicator of MPI has not."""
        return "fine"


def own_class() -> None:
    """What is made of a communicator of an own class is of that class."""
    mine = Mine(world)
    assert isinstance(mine.Dup(), Mine)
    assert mine.Dup().hello() == mine.Clone().hello() == "fine"
    assert pickle.loads(pickle.dumps(MPI.Intracomm(world))) == world
    assert type(world) is MPI.Intracomm
    mine.Split(0).Free()


def signal_in_main() -> None:
    """All of MPI is done by threads; the main thread waits for a lock, and a signal's handler in it sets another free."""
    done, go = threading.Event(), threading.Event()

    def work() -> None:
        if rank == 0:
            world.recv(source=1, tag=5)
            world.send("back", dest=1, tag=6)
        else:

            def helper() -> None:
                go.wait()
                world.send("after the signal", dest=0, tag=5)

            thread = threading.Thread(target=helper)
            thread.start()
            world.recv(source=0, tag=6)
            thread.join()
        done.set()

    signal.signal(signal.SIGALRM, lambda number, frame: go.set())
    if rank == 1:
        signal.setitimer(signal.ITIMER_REAL, LATE_S)
    threading.Thread(target=work).start()
    done.wait()


NATIVE = """
#include <pthread.h>
#include <unistd.h>
static void (*call)(void);
static void *run(void *none) { sleep(4); call(); return 0; }
void later(void (*given)(void)) { pthread_t one; call = given; pthread_create(&one, 0, run, 0); pthread_detach(one); }
"""


def native_thread() -> None:
    """A thread of a C library calls back into Python, and sets free whom a helper waits for."""
    if rank == 0:
        world.recv(source=1, tag=5)
        world.send("back", dest=1, tag=6)
        return
    folder = Path(tempfile.mkdtemp())
    (folder / "later.c").write_text(NATIVE)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "later.so", folder / "later.c", "-lpthread"], check=True)
    go = threading.Event()
    callback = ctypes.CFUNCTYPE(None)(go.set)
    ctypes.CDLL(str(folder / "later.so")).later(callback)

    def helper() -> None:
        go.wait()
        world.send("from a helper", dest=0, tag=5)

    thread = threading.Thread(target=helper)
    thread.start()
    world.recv(source=0, tag=6)
    thread.join()


def reduction_in_python() -> None:
    """The operation of a reduction is the program's own code: it sets free whom the other rank waits for."""
    go = threading.Event()
    other = world.Dup()
    third = size - 1

    def add(one: int, more: int) -> int:
        time.sleep(LATE_S)
        go.set()
        time.sleep(LATE_S)
        return one + more

    def helper() -> None:
        go.wait()
        other.send("from a helper", dest=third, tag=1)

    pair = world.Split(int(rank == third))
    if rank == third:
        other.recv(source=0, tag=1)
    else:
        if rank == 0:
            threading.Thread(target=helper).start()
        pair.reduce(rank, op=add, root=0)
    world.Barrier()


def lock_held() -> None:
    """A thread pickles for seconds with Python's lock held; when it lets go of it another will send."""
    if rank == 0:
        timer = threading.Timer(1.0, lambda: world.send("at last", dest=1, tag=1))
        timer.start()
        world.allgather(Large())
        timer.join()
    else:
        world.recv(source=0, tag=1)
        world.allgather(1)


def lock_kept() -> None:
    """A thread keeps Python's lock from another for as long as a rank takes that comes late."""
    fresh, control = world.Dup(), world.Dup()
    control.Barrier()
    if rank == 0:
        time.sleep(6.0)
        fresh.allreduce(1)
        control.recv(source=1)
    else:
        thread = threading.Thread(target=fresh.allreduce, args=(1,))
        thread.start()
        time.sleep(0.5)
        control.send("at last", dest=0)
        thread.join()


def exception_in_our_code() -> None:
    """A handler raises again and again, at whatever line the program is, ours included."""

    def late(number: int, frame: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    end, caught = time.monotonic() + 2.0, 0
    alone = world.Split(rank)
    while time.monotonic() < end:
        signal.setitimer(signal.ITIMER_REAL, 0.003)
        try:
            while True:
                alone.Get_size()
                world.Iprobe(source=peer, tag=99)
        except TimeoutError:
            caught += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert caught
    world.Barrier()


def freed_handles() -> None:
    """MPI gives the handle of a freed communicator to the next; one that was made unseen is not taken for the old one."""
    for _ in range(3):
        old = world.Split(0)
        old.Barrier()
        old.Free()
        new = world.Dup()
        new.Barrier()
        new.Free()
    if rank == 0:
        time.sleep(1)
    world.Barrier()


if __name__ == "__main__":
    os.environ.setdefault("MPI4PY_FUTURES_MAX_WORKERS", "1")
    globals()[sys.argv[1]]()
    world.Barrier()
    print(f"rank {rank} is done")
