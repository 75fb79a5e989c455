"""Small real rank programs under real MPI, one for each way in which a start-up can end.

`python -m tests.watchdog.ranks NAME`, started by a supervisor. None of them knows what the watchdog should say.

Over the size we keep: it is a list of programs, each of a few lines, which a test starts by name.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import mpi4py

mpi4py.rc.initialize = False
mpi4py.rc.finalize = False

from mpi4py import MPI  # noqa: E402

from lockstep.harness.trace import Recorder  # noqa: E402
from tests.watchdog.simulated_device import SimulatedDevice  # noqa: E402

MARK = "LOCKSTEP_TEST_MARK"
WATCHED_S = 2.0
HUNGER_BYTES = 256 << 20


class Rank:
    """A rank with its world communicator and one of the first ranks but the last (`half`)."""

    def __init__(self) -> None:
        self.recorder = Recorder.attach()
        self.rank = int(os.environ["LOCKSTEP_RANK"])
        self.size = int(os.environ["LOCKSTEP_WORLD"])
        self.last = self.rank == self.size - 1
        self._world = self.recorder.comm("mpi", "world", range(self.size))
        with self.recorder.collective(self._world, "init"):
            MPI.Init()
        self.mpi = MPI.COMM_WORLD
        with self.recorder.collective(self._world, "comm_dup"):
            self._second_mpi = self.mpi.Dup()
        self._second = self.recorder.comm("mpi", "second", range(self.size))

    def barrier(self) -> None:
        """A barrier of the world."""
        with self.recorder.collective(self._world, "barrier"):
            self.mpi.Barrier()

    def second_barrier(self) -> None:
        """A barrier of the same ranks on another communicator."""
        with self.recorder.collective(self._second, "barrier"):
            self._second_mpi.Barrier()


def clean(rank: Rank) -> None:
    """Every rank does the same."""
    for number in range(5):
        rank.barrier()
        rank.recorder.milestone(f"round {number}")


def deadlock(rank: Rank) -> None:
    """The last rank takes another branch; the ranks block on two communicators."""
    with rank.recorder.phase("capture"):
        choice = "left-out" if rank.last else "run"
        rank.recorder.decision("capture.request", "bs=32", choice, "free_blocks=24 needed_blocks=32", rank.last)
        if rank.last:
            rank.barrier()
        else:
            rank.second_barrier()


def deadlock_when_told(rank: Rank) -> None:
    """The same as soon as a file is there; until then no rank says anything."""
    rank.barrier()
    while not Path(os.environ[MARK]).exists():
        time.sleep(0.05)
    deadlock(rank)


def hungry(rank: Rank) -> None:
    """The last rank has had much more memory than its peers, when it comes too late for them and they for it."""
    if rank.last:
        bytearray(os.urandom(1) * HUNGER_BYTES)
    deadlock(rank)


def raise_one(rank: Rank) -> None:
    """The last rank raises; the others wait for it."""
    with rank.recorder.phase("general"):
        if rank.last:
            raise MemoryError("no memory on this rank")
        rank.barrier()


def raise_all(rank: Rank) -> None:
    """Every rank raises."""
    rank.barrier()
    raise RuntimeError("asymmetric")


def raise_some(rank: Rank) -> None:
    """Half of the ranks raise; nobody waits for anybody."""
    rank.barrier()
    if rank.rank % 2:
        raise RuntimeError("odd rank")


def raise_in_turn(rank: Rank) -> None:
    """Every rank raises an error of its own, the last one first, each half a second after the one before."""
    rank.barrier()
    time.sleep((rank.size - 1 - rank.rank) * 0.5)
    raise RuntimeError(f"error of rank {rank.rank}")


def exit_one(rank: Rank) -> None:
    """The last rank's process ends without a word."""
    if rank.last:
        os._exit(3)
    rank.barrier()


def exit_before_init(rank: Rank) -> None:
    """Rank 0 never comes to MPI_Init (see `main`), so nobody comes here."""


def exit_all(rank: Rank) -> None:
    """Every process ends without a word."""
    rank.barrier()
    os._exit(3)


def kill_one(rank: Rank) -> None:
    """The last rank is killed; the others wait for it."""
    if rank.last:
        os.kill(os.getpid(), signal.SIGKILL)
    rank.barrier()


def kill_unneeded(rank: Rank) -> None:
    """The last rank is killed when nobody needs it any more."""
    rank.barrier()
    if rank.last:
        os.kill(os.getpid(), signal.SIGKILL)


def out_of_memory(rank: Rank) -> None:
    """The last rank joins the memory cgroup that LOCKSTEP_TEST_CGROUP names, and takes more than it allows."""
    rank.barrier()
    if rank.last:
        Path(os.environ["LOCKSTEP_TEST_CGROUP"], "cgroup.procs").write_text(str(os.getpid()))
        kept = [bytearray(b"x" * (1 << 24)) for _ in range(64)]
        print(len(kept))


def segv_unneeded(rank: Rank) -> None:
    """The last rank reads address zero when nobody needs it any more."""
    rank.barrier()
    if rank.last:
        ctypes.string_at(0)


def abort(rank: Rank) -> None:
    """The last rank calls MPI_Abort while the others wait."""
    if rank.last:
        rank.recorder.abort(7)
        rank.mpi.Abort(7)
    rank.barrier()


def abort_after_error(rank: Rank) -> None:
    """The last rank fails, tells it, and after a grace ends the job; the others wait for it all the while."""
    if rank.last:
        rank.recorder.error(RuntimeError("the first error"))
        time.sleep(1.5)
        rank.recorder.abort(7)
        rank.mpi.Abort(7)
    rank.barrier()


def watched(rank: Rank) -> None:
    """A deadlock, while a thread of the last rank may still do something about it, and in the end does nothing."""
    announced = threading.Event()

    def watch() -> None:
        with rank.recorder.waiter():
            announced.set()
            time.sleep(WATCHED_S)

    if rank.last:
        threading.Thread(target=watch).start()
        announced.wait()
    deadlock(rank)


def return_early(rank: Rank) -> None:
    """The last rank returns before a barrier of all."""
    if not rank.last:
        rank.barrier()


def spin(rank: Rank) -> None:
    """The last rank turns in a Python loop for ever."""
    while rank.last:
        pass
    rank.barrier()


def gil(rank: Rank) -> None:
    """The last rank sleeps in C with the GIL held, far longer than the deadline."""
    if rank.last:
        ctypes.PyDLL(None).sleep(600)
    rank.barrier()


STEP_S = 0.002  # a step of a model takes longer; without it a machine that is busy besides cannot read all that they write


def livelock(rank: Rank) -> None:
    """The ranks vote for ever; the last one always votes no."""
    with rank.recorder.phase("decode"):
        step = 0
        while True:
            step += 1
            can = not rank.last
            rank.recorder.decision(
                "decode.can_queue", f"step={step}", "queue" if can else "wait", "free_blocks=2 needed_blocks=5", not can
            )
            with rank.recorder.collective(rank._world, "allgather"):
                votes = rank.mpi.allgather(can)
            if all(votes):
                return
            time.sleep(STEP_S)


def slow(rank: Rank) -> None:
    """The last rank is slow in every round, its peers wait for it each time."""
    for number in range(8):
        if rank.last:
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                compile("x = 1\n" * 200, "<slow>", "exec")
        rank.barrier()
        rank.second_barrier()
        rank.recorder.milestone(f"round {number}")


def jitter(rank: Rank, rounds: int = 40, pauses: tuple[float, ...] = (0.0, 0.0, 0.0005, 0.005, 0.02)) -> None:
    """Collectives on two communicators, in one order, with ranks that compute or sleep at random in between."""
    chance = random.Random(time.time_ns() ^ rank.rank)
    for number in range(rounds):
        pause = chance.choice(pauses)
        until = time.monotonic() + pause
        if chance.random() < 0.5:
            time.sleep(pause)
        while time.monotonic() < until:
            pass
        rank.barrier()
        if number % 3 == 0:
            rank.second_barrier()
        rank.recorder.milestone(f"round {number}")


def moving(rank: Rank) -> None:
    """The same for long, with little between: hardly a moment at which all ranks stand."""
    jitter(rank, 10_000, (0.0, 0.0, 0.0, 0.0005, 0.002))


def torch_barrier(rank: Rank) -> None:
    """Import torch and meet once: what any engine does at least."""
    import torch  # noqa: F401

    rank.barrier()


def too_slow(rank: Rank) -> None:
    """Milestones advance, but not within any sane deadline."""
    number = 0
    while True:
        number += 1
        time.sleep(0.05)
        rank.barrier()
        rank.recorder.milestone(f"round {number}")


def stopped(rank: Rank) -> None:
    """The last rank is stopped for two seconds by somebody else, and continued."""
    rank.barrier()
    if rank.last:
        pid = os.getpid()
        if os.fork() == 0:
            os.kill(pid, signal.SIGSTOP)
            time.sleep(2)
            os.kill(pid, signal.SIGCONT)
            os._exit(0)
        time.sleep(0.2)
    for _ in range(3):
        rank.barrier()


def flood(rank: Rank) -> None:
    """More events than a ring holds, faster than anybody reads them, and then a deadlock."""
    for _ in range(200_000):
        rank.recorder.milestone("busy")
    if rank.last:
        rank.barrier()
    else:
        rank.second_barrier()


def exit_on_error(rank: Rank) -> None:
    """The last rank raises and its process ends at once, without parking."""
    if rank.last:
        error = RuntimeError("gone")
        rank.recorder.raised(error)
        os._exit(1)
    rank.barrier()


def children(rank: Rank) -> None:
    """Every rank starts a child in a session of its own, and deadlocks."""
    import subprocess

    subprocess.Popen(["sleep", "600"], start_new_session=True)
    deadlock(rank)


def stay(rank: Rank) -> None:
    """Every rank starts a child in a session of its own, and goes on for ever."""
    import subprocess

    subprocess.Popen(["sleep", "600"], start_new_session=True)
    too_slow(rank)


def remember(rank: Rank) -> None:
    """Every rank adds the number of this launch to what it has left before."""
    place = Path(os.environ["LOCKSTEP_STATE"])
    place.mkdir(parents=True, exist_ok=True)
    with (place / f"rank-{rank.rank}").open("a") as file:
        file.write(os.environ["LOCKSTEP_LAUNCH"])
    rank.barrier()


def _device(rank: Rank, delay_s: float = 0.0) -> SimulatedDevice:
    folder = Path(os.environ["TMPDIR"]) / "device"
    folder.mkdir(exist_ok=True)
    return SimulatedDevice(rank.recorder, rank.rank, rank.size, folder, delay_s)


def replay(rank: Rank) -> None:
    """All ranks replay a graph, again and again; the last one's device is slow, and its host in the barrier long before."""
    device = _device(rank, 0.7 if rank.last else 0.0)
    for number in range(2):
        device.replay()
        if rank.rank == 0:
            device.synchronize()
        rank.barrier()
        device.synchronize()
        rank.recorder.milestone(f"step {number}")


def skip_replay(rank: Rank) -> None:
    """The last rank does not replay the second time, and goes to the barrier."""
    device = _device(rank)
    for number in range(2):
        if not (rank.last and number == 1):
            device.replay()
        device.synchronize()
        rank.barrier()


def raise_after_launch(rank: Rank) -> None:
    """Every rank replays; the last one raises while its device is slow, and the others get what they wait for."""
    device = _device(rank, 1.0 if rank.last else 0.0)
    device.replay()
    if rank.last:
        raise RuntimeError("after the launch")
    device.synchronize()


PROGRAMS: dict[str, Callable[[Rank], None]] = {
    program.__name__: program
    for program in (
        clean, deadlock, deadlock_when_told, hungry, raise_one, raise_all, raise_some, raise_in_turn, exit_one,
        exit_before_init, exit_all, kill_one, kill_unneeded, out_of_memory, segv_unneeded,
        abort, abort_after_error, watched, return_early,
        spin, gil, livelock, slow, jitter, moving, torch_barrier, too_slow, stopped, flood, exit_on_error,
        children, stay, remember, replay, skip_replay, raise_after_launch,
    )
}  # fmt: skip


def main(name: str) -> None:
    """Run one program as an engine would: record its end and park."""
    if name == "exit_before_init" and os.environ["LOCKSTEP_RANK"] == "0":
        os._exit(5)
    rank = Rank()
    try:
        PROGRAMS[name](rank)
    except Exception as error:
        traceback.print_exc()
        rank.recorder.raised(error)
        rank.recorder.park()
        os._exit(1)
    rank.recorder.returned()
    rank.recorder.park()
    MPI.Finalize()


if __name__ == "__main__":
    main(sys.argv[1])
