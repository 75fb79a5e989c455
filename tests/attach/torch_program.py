"""A program of two ranks under torch.distributed over gloo that knows nothing of us: `python torch_program.py NAME`."""

import gc
import os
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable

import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as functional
from torch.multiprocessing.spawn import spawn as start_processes

warnings.simplefilter("ignore")
DIST = dist.group


def clean(rank: int) -> None:
    """All kinds of operations, in order, and what C++ issues by itself."""
    value = torch.ones(4)
    work = dist.all_reduce(value, async_op=True)
    assert work is not None
    work.wait()
    assert value.tolist() == [2.0] * 4
    listed: list[object] = [None, None]
    dist.all_gather_object(listed, rank)
    assert listed == [0, 1]
    other = torch.zeros(1)
    swapped = [dist.P2POp(dist.isend, torch.full((1,), float(rank)), 1 - rank), dist.P2POp(dist.irecv, other, 1 - rank)]
    for request in dist.batch_isend_irecv(swapped):
        request.wait()
    assert other.item() == 1 - rank
    assert (functional.all_reduce(torch.ones(2), "sum", [0, 1]) + 1).tolist() == [3.0, 3.0]
    dist.monitored_barrier()
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 4))
    model(torch.ones(2, 4)).sum().backward()
    del model  # its reducer holds the group, whose threads torch would abort over at the interpreter's end
    gc.collect()
    dist.reduce(value, 0)
    dist.barrier()


def deadlock(rank: int) -> None:
    """Two groups, used in different orders; before it, what C++ has issued must have been counted."""
    clean(rank)
    other = dist.new_group([0, 1])
    for group in (DIST.WORLD, other) if rank else (other, DIST.WORLD):
        dist.all_reduce(torch.ones(1), group=group)


def raise_one(rank: int) -> None:
    """One rank raises; the peer's socket closes, and it raises too."""
    if rank:
        raise ValueError("no more blocks")
    dist.barrier()


def kill_one(rank: int) -> None:
    """One rank is killed."""
    if rank:
        os.kill(os.getpid(), signal.SIGKILL)
    dist.barrier()


def slow(rank: int) -> None:
    """One rank is busy for a while, and then comes."""
    until = time.monotonic() + 3
    while rank and time.monotonic() < until:
        compile("x = 1\n" * 200, "<slow>", "exec")
    dist.barrier()


PROGRAMS: dict[str, Callable[[int], None]] = {
    program.__name__: program for program in (clean, deadlock, raise_one, kill_one, slow)
}


def spawned(rank: int, name: str, port: int) -> None:
    """One rank of a program that starts its own."""
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    PROGRAMS[name](rank)
    dist.destroy_process_group()  # without it torch itself may abort as the interpreter ends


if __name__ == "__main__":
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
        PROGRAMS[sys.argv[1]](dist.get_rank())
        dist.destroy_process_group()
    else:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            free = int(probe.getsockname()[1])
        start_processes(spawned, (sys.argv[1], free), nprocs=2)  # type: ignore[no-untyped-call]
