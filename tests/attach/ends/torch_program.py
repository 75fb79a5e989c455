"""Ranks of torch.distributed, and who starts them, that end in unusual ways: `python torch_program.py NAME`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import time
from multiprocessing.queues import Queue
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist


def join(rank: int | None = None, world: int | None = None, offset: int = 0) -> None:
    """Join a world; without arguments that of the environment."""
    where = f"tcp://{os.environ['MASTER_ADDR']}:{int(os.environ['MASTER_PORT']) + offset}"
    me, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    dist.init_process_group("gloo", init_method=where, rank=me if rank is None else rank, world_size=world or size)


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def exit0() -> None:
    """All is done; the interpreter's own end is left out."""
    join()
    dist.barrier()
    dist.destroy_process_group()
    os._exit(0)


def fork_on() -> None:
    """The child of each rank goes on in its place; the rank ends at once, or waits for it."""
    join()
    dist.barrier()
    child = os.fork()
    if child and dist.get_rank() == 0:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    if child:
        os._exit(0)
    time.sleep(2)
    Path(sys.argv[2], f"done-{dist.get_rank()}").touch()
    os._exit(0)


def exec_again() -> None:
    """A second stage in the same process, with the same world."""
    stage = int(sys.argv[2])
    join(offset=stage)
    for _ in range(3):
        dist.barrier()
    dist.destroy_process_group()
    if stage == 1:
        os.execv(sys.executable, [sys.executable, *sys.argv[:2], "2"])


def one_too_few() -> None:
    """A world of one more than were started."""
    join(world=int(os.environ["WORLD_SIZE"]) + 1)
    dist.barrier()


def another_port() -> None:
    """Rank 1 looks for its peers at another port."""
    join(offset=int(os.environ["RANK"]))


def spawned(body: Any, *words: Any) -> list[int | None]:
    """Start two ranks of a world and wait for their ends."""
    context, port = multiprocessing.get_context("spawn"), free_port()
    ranks = [context.Process(target=body, args=(rank, port, *words)) for rank in range(2)]
    for one in ranks:
        one.start()
    for one in ranks:
        one.join()
    return [one.exitcode for one in ranks]


def in_world(rank: int, port: int) -> None:
    """Join a world of two."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE="2")
    join()


def _ends_with(rank: int, port: int, status: int) -> None:
    in_world(rank, port)
    dist.barrier()
    sys.exit(status)


def _ends_at_once(rank: int, port: int) -> None:
    in_world(rank, port)
    dist.barrier()
    dist.destroy_process_group()
    os._exit(0)


def spawned_77() -> None:
    """Who starts the ranks expects the status with which they end."""
    assert spawned(_ends_with, 77) == [77, 77]


def spawned_exit0() -> None:
    """The ranks leave the interpreter's own end out."""
    assert spawned(_ends_at_once) == [0, 0]


def _serve(rank: int, port: int, work: Queue[int], replies: Queue[int]) -> None:
    in_world(rank, port)
    while True:
        step = work.get()
        if (rank, step) == (1, 2):
            os.kill(os.getpid(), signal.SIGKILL)
        dist.all_reduce(torch.ones(4))
        if rank == 0:
            replies.put(step)


def dead_worker() -> None:
    """A front end waits for the reply of workers of which one is killed and the other one fails over it."""
    context, port = multiprocessing.get_context("spawn"), free_port()
    work: list[Any] = [context.Queue() for _ in range(2)]
    replies: Any = context.Queue()
    for rank in range(2):
        context.Process(target=_serve, args=(rank, port, work[rank], replies)).start()
    for step in range(4):
        for queue in work:
            queue.put(step)
        print("reply", replies.get(), flush=True)


def daemon() -> None:
    """The command ends at once and leaves a daemon that does the work."""
    if os.fork():
        os._exit(0)
    os.setsid()
    if os.fork():
        os._exit(0)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free_port()), RANK="0", WORLD_SIZE="1")
    join()
    for _ in range(5):
        dist.barrier()
        time.sleep(0.5)
    Path(sys.argv[2], "done").touch()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
