"""Correct programs of torch.distributed on gloo, drawn by a seed: `python random_gloo.py SEED COUNT`. As random_mpi.py."""

import random
import sys
import threading
import time

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
draw = random.Random(f"{sys.argv[1]}")
own = random.Random(f"{sys.argv[1]} {rank}")
GROUPS = [dist.group.WORLD, dist.new_group(list(range(size))), dist.new_group(list(reversed(range(size))))]


def arrive(seconds: float) -> str:
    """What a slow object does while it is unpickled."""
    time.sleep(seconds)
    return "arrived"


KINDS = ("all_reduce", "broadcast", "all_gather", "barrier", "objects", "reduce", "later", "monitored")


class Slow:
    """An object that takes its time to arrive."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __reduce__(self) -> tuple[object, ...]:
        return arrive, (self.seconds,)


def pause() -> None:
    """Now and then a rank is late."""
    if own.random() < 0.3:
        time.sleep(own.uniform(0, 0.4))


def collective(tag: int) -> None:
    """Some collectives, waited for at once or later, in any order."""
    group = draw.choice(GROUPS)
    root = draw.randrange(size)
    works = []
    for name in draw.choices(KINDS, k=4):
        pause()
        data = torch.ones(8)
        if name == "all_reduce":
            dist.all_reduce(data, group=group)
        elif name == "later":
            works.append(dist.all_reduce(data, group=group, async_op=True))
        elif name == "broadcast":
            dist.broadcast(data, src=root, group=group)
        elif name == "reduce":
            dist.reduce(data, dst=root, group=group)
        elif name == "all_gather":
            dist.all_gather([torch.zeros(8) for _ in range(size)], data, group=group)
        elif name == "objects":
            dist.all_gather_object([None] * size, Slow(draw.uniform(0, 0.4)), group=group)
        elif name == "monitored" and group is GROUPS[0]:
            dist.monitored_barrier()
        else:
            dist.barrier(group=group)
    own.shuffle(works)
    for work in works:
        work.wait()


def messages(tag: int) -> None:
    """A random set of messages, received by name or from anybody."""
    listed = [(draw.randrange(size), draw.randrange(size), tag + draw.randrange(3)) for _ in range(draw.randint(1, 5))]
    listed = [(source, dest, label) for source, dest, label in listed if source != dest]
    how = draw.choice(["named", "posted", "any source"])
    expected = [(source, label) for source, dest, label in listed if dest == rank]
    posted = [dist.irecv(torch.zeros(4), src=s, tag=t) for s, t in expected] if how == "posted" else []
    sent = []
    for source, dest, label in listed:
        if source == rank:
            pause()
            sent.append(dist.isend(torch.ones(4), dst=dest, tag=label))
    pause()
    for source, label in expected if how != "posted" else ():
        dist.recv(torch.zeros(4), src=source if how == "named" else None, tag=label)
    for work in (*posted, *sent):
        assert work is not None
        work.wait()


def by_thread(tag: int) -> None:
    """A helper thread does what the peer waits for."""
    actor = draw.randrange(size)
    peer = (actor + 1) % size
    later = draw.uniform(0.1, 1.2)
    if rank == actor:

        def helper() -> None:
            time.sleep(later)
            dist.send(torch.ones(1), dst=peer, tag=tag)

        thread = threading.Thread(target=helper)
        thread.start()
        dist.recv(torch.zeros(1), src=peer, tag=tag + 1)
        thread.join()
    if rank == peer:
        dist.recv(torch.zeros(1), src=actor, tag=tag)
        dist.send(torch.ones(1), dst=actor, tag=tag + 1)


STEPS = [collective, messages, messages, by_thread]

for program in range(int(sys.argv[2])):
    for step in range(draw.randint(2, 5)):
        draw.choice(STEPS)(1000 * program + 100 * step)
    dist.barrier()
    print(f"rank {rank} did program {program}", flush=True)
GROUPS.clear()  # a group that a module still names as Python ends can abort the process inside torch
dist.destroy_process_group()
