"""Pairs of gloo's collectives under torch.distributed: one rank enters the second of a pair, all others the first."""

from __future__ import annotations

import datetime
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
import torch.distributed as dist

from benchmarks.pairing.outcome import ENTERS, LEAVES, RAISES, End, Rank

SMALL, LARGE = 8, 1 << 16
TOGETHER = 16  # pairs at once: those that wait use no processor
WAIT_S = 8.0  # after the last of all has entered
START_S = 240.0


def operations(ranks: int, size: int, root: int = 0) -> dict[str, Callable[[int], object]]:
    """What to call on a rank, by the name that the recorder gives it."""

    def full(length: int = size) -> torch.Tensor:
        return torch.ones(length)

    def many() -> list[torch.Tensor]:
        return [full() for _ in range(ranks)]

    def world() -> Any:
        return dist.distributed_c10d._get_default_group()

    return {
        "barrier": lambda r: dist.barrier(),
        "monitored_barrier": lambda r: dist.monitored_barrier(),
        "all_reduce": lambda r: dist.all_reduce(full()),
        "all_reduce_coalesced": lambda r: dist.all_reduce_coalesced([full(), full()]),
        "broadcast": lambda r: dist.broadcast(full(), src=root),
        "reduce": lambda r: dist.reduce(full(), dst=root),
        "all_gather": lambda r: dist.all_gather(many(), full()),
        "all_gather_into_tensor": lambda r: dist.all_gather_into_tensor(full(size * ranks), full()),
        "all_gather_coalesced": lambda r: dist.all_gather_coalesced([[full()] for _ in range(ranks)], [full()]),
        "gather": lambda r: dist.gather(full(), many() if r == root else None, dst=root),
        "scatter": lambda r: dist.scatter(full(), many() if r == root else None, src=root),
        "reduce_scatter": lambda r: dist.reduce_scatter(full(), many()),
        "reduce_scatter_tensor": lambda r: dist.reduce_scatter_tensor(full(), full(size * ranks)),
        "all_to_all": lambda r: dist.all_to_all(many(), many()),
        "all_to_all_single": lambda r: dist.all_to_all_single(full(size * ranks), full(size * ranks)),
        "all_gather_into_tensor_coalesced": lambda r: (
            world().allgather_into_tensor_coalesced([full(size * ranks)], [full()]).wait()
        ),
        "reduce_scatter_tensor_coalesced": lambda r: (
            world().reduce_scatter_tensor_coalesced([full()], [full(size * ranks)]).wait()
        ),
    }


def others(ranks: int) -> dict[tuple[str, str], tuple[Callable[[int], object], Callable[[int], object]]]:
    """The same operation with something else about it: another root, another size."""
    small, large = operations(ranks, SMALL), operations(ranks, SMALL * 4)
    rooted = operations(ranks, SMALL, root=1)
    roots = ("broadcast", "reduce", "gather", "scatter")
    sizes = ("all_reduce", "broadcast", "reduce", "all_gather_into_tensor", "reduce_scatter_tensor")
    found = {(name, f"{name}, another root"): (small[name], rooted[name]) for name in roots}
    # The other way round each waits for the other as the root.
    found |= {(f"{name}, another root", name): (rooted[name], small[name]) for name in roots}
    found |= {(name, f"{name}, another size"): (small[name], large[name]) for name in sizes}
    return found | {(name, name): (operation, operation) for name, operation in small.items()}


def measure(ranks: int, size: int, only: Sequence[str] = ()) -> Iterator[tuple[str, str, list[End]]]:
    """Each ordered pair, and what became of each rank: all but the last enter the first, the last enters the second."""
    table = operations(ranks, size)
    todo = [(a, b, table[a], table[b]) for a in table for b in table if a != b]
    if size == SMALL:
        todo += [(a, b, *both) for (a, b), both in others(ranks).items()]
    todo = [one for one in todo if not only or one[0] in only or one[1] in only]
    for at in range(0, len(todo), TOGETHER):
        batch = todo[at : at + TOGETHER]
        with tempfile.TemporaryDirectory() as folder:
            started = [
                [_start(r, ranks, one[3] if r == ranks - 1 else one[2], f"{folder}/{n}") for r in range(ranks)]
                for n, one in enumerate(batch)
            ]
            ends = _ends(started)
        yield from ((a, b, found) for (a, b, _, _), found in zip(batch, ends, strict=True))


def _ends(pairs: list[list[Rank]]) -> list[list[End]]:
    ranks = [rank for pair in pairs for rank in pair]
    deadline, all_in_s = time.monotonic() + START_S, 0.0
    while time.monotonic() < deadline:
        for rank in ranks:
            rank.look()
        if all(rank.over for rank in ranks):
            break
        if all(rank.entered or rank.over for rank in ranks):
            all_in_s = all_in_s or time.monotonic()
            if time.monotonic() - all_in_s > WAIT_S:
                break
        time.sleep(0.05)
    found = [[rank.end() for rank in pair] for pair in pairs]
    for rank in ranks:
        rank.kill()
        os.waitpid(rank.pid, 0)
    return found


def _start(rank: int, ranks: int, operation: Callable[[int], object], path: str) -> Rank:
    mine, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(mine)
        os.dup2(os.open("/dev/null", os.O_WRONLY), 2)
        limit = datetime.timedelta(hours=1)
        store = dist.FileStore(path, ranks)  # type: ignore[attr-defined]
        dist.init_process_group("gloo", store=store, rank=rank, world_size=ranks, timeout=limit)
        dist.barrier()  # connections are made at the first operation
        os.write(theirs, ENTERS)
        try:
            operation(rank)
        except Exception:
            os.write(theirs, RAISES)
        else:
            os.write(theirs, LEAVES)
        time.sleep(3600)  # a socket that closes would wake the others
    os.close(theirs)
    os.set_blocking(mine, False)
    return Rank(pid, mine)


def version() -> str:
    """What was measured."""
    return torch.__version__.partition("+")[0]
