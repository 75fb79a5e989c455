"""Two ranks of torch.distributed that use two groups: in the same order, or each in its own."""

import sys

import torch
import torch.distributed as dist


def main() -> None:
    """The groups are local: one that a module still names as Python ends can abort the process inside torch."""
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    pair = dist.new_group([0, 1])
    value = torch.ones(4)

    groups = [pair, dist.group.WORLD]
    if sys.argv[1] == "own" and rank == 1:
        groups.reverse()
    for group in groups:
        dist.all_reduce(value, group=group)

    print(f"rank {rank}: {value.tolist()}")
    dist.destroy_process_group()


main()
