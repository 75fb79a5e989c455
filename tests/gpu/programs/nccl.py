"""What two ranks do over NCCL, by name: `nccl.py NAME`, on a GPU each or both on one. It knows nothing of being watched."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

import torch
import torch.distributed as dist
import torch.distributed.distributed_c10d as c10d
from torch.nn.parallel import DistributedDataParallel

ME = int(os.environ["LOCAL_RANK"])
DEVICE = ME % torch.cuda.device_count()
if DEVICE != ME:  # NCCL refuses two ranks of one host on one GPU: as if they were of two hosts, over sockets
    os.environ["NCCL_HOSTID"] = f"second-{ME}"
torch.cuda.set_device(DEVICE)
dist.init_process_group("nccl")
value = torch.ones(1 << 16, device="cuda")
dist.all_reduce(value)
torch.cuda.synchronize()


def left_out() -> None:
    """Rank 1 leaves out one of many, and ends."""
    for step in range(8):
        if not (ME == 1 and step == 5):
            dist.all_reduce(value)
    torch.cuda.synchronize()


def left_out_on_a_stream() -> None:
    """Likewise; rank 0 waits for its stream alone."""
    for step in range(8):
        if not (ME == 1 and step == 5):
            dist.all_reduce(value)
    torch.cuda.current_stream().synchronize()


def left_out_of_a_step() -> None:
    """Rank 1 leaves out the backward pass of one step, and ends."""
    model = DistributedDataParallel(torch.nn.Linear(64, 64).cuda(), device_ids=[DEVICE])
    for step in range(4):
        if not (ME == 1 and step == 2):
            model(torch.ones(8, 64, device="cuda")).sum().backward()
    torch.cuda.synchronize()


def left_out_a_replay() -> None:
    """Rank 1 replays a graph once less, and ends."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        dist.all_reduce(value)
        dist.broadcast(value, 0)
    for step in range(8):
        if not (ME == 1 and step == 5):
            graph.replay()
    torch.cuda.synchronize()


def left_out_before_an_event() -> None:
    """Likewise; rank 0 waits for an event of another stream, which goes on after its own."""
    other = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    for step in range(8):
        if not (ME == 1 and step == 5):
            dist.all_reduce(value)
    other.wait_stream(torch.cuda.current_stream())
    event = other.record_event()
    event.synchronize()


def left_out_a_barrier() -> None:
    """Rank 1 leaves out one of many barriers, and ends."""
    for step in range(8):
        if not (ME == 1 and step == 5):
            dist.barrier()


def left_out_before_item() -> None:
    """Rank 1 leaves out one of many, and ends; rank 0 reads the result."""
    for step in range(8):
        if not (ME == 1 and step == 5):
            dist.all_reduce(value)
    print(value[0].item())


def left_out_before_if() -> None:
    """Rank 1 replays a graph once less, and ends; rank 0 branches on the result."""
    assert value.sum() > 0  # the first use of a kernel would wait for the GPU as well, in the driver
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        dist.all_reduce(value)
    for step in range(8):
        if not (ME == 1 and step == 5):
            graph.replay()
    if value.sum() > 0:
        print("more")


def opposite_order() -> None:
    """Two groups of the same ranks, used in opposite order."""
    groups = [dist.new_group([0, 1]) for _ in range(2)]
    for group in groups:
        dist.all_reduce(value, group=group)
    torch.cuda.synchronize()
    for group in groups if ME == 0 else reversed(groups):
        dist.all_reduce(value, group=group)
        torch.cuda.synchronize()


def slow() -> None:
    """Kernels of seconds before and after, a rank that comes late, and one that has long ended: all of it comes out."""
    dist.broadcast(value, 0)
    if ME == 1:
        torch.cuda._sleep(8_000_000_000)  # type: ignore[no-untyped-call]
    dist.all_reduce(value)
    torch.cuda.synchronize()
    if ME == 0:
        time.sleep(5)
    dist.all_reduce(value)
    torch.cuda.synchronize()
    if ME == 1:
        torch.cuda._sleep(8_000_000_000)  # type: ignore[no-untyped-call]
    dist.broadcast(value, 0)  # whose root may end before the other has come
    torch.cuda.current_stream().synchronize()


def early() -> None:
    """A peer has ended, and this GPU never ends its collective; but events and streams that wait for less come back."""
    if ME == 1:
        time.sleep(2)  # between hosts its threads have to send the rest
        os._exit(0)
    other = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    with torch.cuda.stream(other):
        torch.cuda._sleep(20_000_000_000)  # type: ignore[no-untyped-call]
    event = other.record_event()
    dist.all_reduce(value)
    other.synchronize()
    with torch.cuda.stream(other):
        torch.cuda._sleep(20_000_000_000)  # type: ignore[no-untyped-call]
    event.record(other)
    other.wait_stream(torch.cuda.current_stream())
    event.synchronize()
    os._exit(0)


def busy() -> None:
    """Eager, asynchronous, coalesced, in graphs, with a wait for the GPU each time: all of it comes out."""
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        dist.all_reduce(value)
    for step in range(200):
        dist.all_reduce(value)
        work = dist.all_reduce(value, async_op=True)
        graph.replay()
        work.wait()
        with c10d._coalescing_manager(device=value.device):
            dist.all_reduce(value)
            torch.cuda.synchronize()
        if step % 5 == ME:
            torch.cuda.current_stream().record_event().synchronize()
        if step % 7 == ME:
            assert value[0].item() == value[:1].tolist()[0] == float(value[0]) == value.cpu()[0]
        if step % 3 == ME:
            torch.cuda.synchronize()
        dist.barrier()
    torch.cuda.synchronize()


PARTS: dict[str, Callable[[], None]] = {
    part.__name__: part
    for part in (
        left_out,
        left_out_on_a_stream,
        left_out_of_a_step,
        left_out_a_replay,
        left_out_before_an_event,
        left_out_a_barrier,
        left_out_before_item,
        left_out_before_if,
        opposite_order,
        slow,
        busy,
        early,
    )
}
PARTS[sys.argv[1]]()
print("done", ME, flush=True)
if sys.argv[1] in ("slow", "busy"):
    dist.destroy_process_group()
else:
    os._exit(0)  # the group's own end would wait for the other
