"""Programs under torch.distributed over gloo in which ranks part, after public reports: `python differing_torch.py NAME`.

What each is to be told stands in `test_differing_programs`; the lines that must be named are marked.
"""

import datetime
import sys
import warnings
from collections.abc import Callable

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.nn.parallel import DistributedDataParallel

warnings.simplefilter("ignore")
LONG = datetime.timedelta(hours=1)


def skipped_sample(rank: int) -> None:
    """FSDP, as in lightseekorg/TorchSpec#126: rank 1 leaves out one sample, and with it a forward's all-gathers."""
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (2,))
    model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 8))
    for layer in model:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)
    total = torch.zeros(1)
    for step in range(4):
        if (rank, step) == (1, 2):
            continue
        loss = model(torch.randn(2, 8)).sum()  # forward
        loss.backward()
    dist.all_reduce(total)  # total


def dropped_batch(rank: int) -> None:
    """DistributedDataParallel, as in pytorch/pytorch#44353: rank 1 catches an error and drops a batch."""
    model = DistributedDataParallel(torch.nn.Linear(16, 16))
    for step in range(4):
        if (rank, step) == (1, 2):
            continue
        model(torch.randn(4, 16)).sum().backward()  # backward
    dist.barrier()  # barrier


def unused_branch(rank: int) -> None:
    """DistributedDataParallel, as in ultralytics/ultralytics#24620: rank 1 leaves out the head, and its bucket."""

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.head = torch.nn.Linear(16, 16), torch.nn.Linear(16, 16)

        def forward(self, x: torch.Tensor, has_boxes: bool) -> torch.Tensor:
            x = self.trunk(x)
            return self.head(x) if has_boxes else x

    model = DistributedDataParallel(Net(), bucket_cap_mb=0.0001)
    for step in range(3):
        model(torch.randn(4, 16), has_boxes=(rank, step) != (1, 2)).sum().backward()  # bucket
    dist.barrier()  # epoch


def checkpoint_exists(rank: int) -> None:
    """As in KempnerInstitute/KempnerForge#50: rank 1 does not see a file, and leaves out an object broadcast."""
    state = [{"step": 7}]
    if rank != 1:
        dist.broadcast_object_list(state, src=0)  # objects
    dist.barrier()  # resumed


def weights_of_one(rank: int) -> None:
    """As in areal-project/AReaL#187: full_tensor() on rank 0 only."""
    from torch.distributed.tensor import Shard, distribute_tensor

    mesh = init_device_mesh("cpu", (2,), mesh_dim_names=("fsdp",))
    weight = distribute_tensor(torch.arange(64.0).view(8, 8), mesh, [Shard(0)])
    if rank == 0:
        weight.full_tensor()  # full
    dist.barrier()  # pushed


def other_mesh(rank: int) -> None:
    """As in NVIDIA/Megatron-LM#4179: rank 3 of 4 reads another size, and builds another mesh."""
    shape = (4, 1) if rank == 3 else (2, 2)
    init_device_mesh("cpu", shape, mesh_dim_names=("dp", "tp"))  # mesh
    dist.barrier()  # built


def other_pair(rank: int) -> None:
    """As in vllm-project/vllm#18567: rank 3 gives barrier the other pair's group, which returns at once."""
    pairs = [dist.new_group([0, 1]), dist.new_group([2, 3])]
    dist.barrier(group=pairs[0 if rank == 3 else rank // 2])  # pair
    dist.barrier()  # all


def local_names(rank: int) -> None:
    """As in pytorch/pytorch#173608: the name of a group counts the groups made so far, which differ."""
    if rank in (0, 1):
        dist.new_group([0, 1], use_local_synchronization=True, timeout=LONG)
    if rank in (1, 2):
        dist.new_group([1, 2], use_local_synchronization=True, timeout=LONG)  # named
    dist.barrier()


def sends_first(rank: int) -> None:
    """As in pytorch/pytorch#172668: both stages send first, more than is buffered."""
    big = torch.zeros(8 << 20)
    for op in (dist.isend, dist.irecv):
        for work in dist.batch_isend_irecv([dist.P2POp(op, big, 1 - rank)]):
            work.wait()  # sent


def leaves_early(rank: int) -> None:
    """As in Lightning-AI/pytorch-lightning#9851: rank 1 has a batch fewer, and returns."""
    model = DistributedDataParallel(torch.nn.Linear(4, 4))
    for _ in range(3 - rank):
        model(torch.ones(2, 4)).sum().backward()  # batch
    dist.destroy_process_group()  # without it torch itself aborts now and then as a process ends


def waits_for_key(rank: int) -> None:
    """As in pytorch/pytorch#53840: rank 0 waits for a key that rank 1 sets after a barrier."""
    store = dist.distributed_c10d._get_default_store()
    store.set_timeout(LONG)
    if rank == 0:
        store.wait(["ready/1"])  # key
    dist.barrier()  # after
    store.set("ready/1", "1")


def limited(rank: int) -> None:
    """As in pytorch/pytorch#109401: each waits for the other, on a group that was made with a limit of a few minutes."""
    group = dist.new_group([0, 1], timeout=datetime.timedelta(minutes=5))
    if rank == 0:
        dist.recv(torch.zeros(1), src=1, group=group)  # received
        dist.barrier(group=group)
    else:
        dist.barrier(group=group)  # before
        dist.send(torch.zeros(1), dst=0, group=group)


def limited_difference(rank: int) -> None:
    """Both come to such a group, with different operations."""
    group = dist.new_group([0, 1], timeout=datetime.timedelta(minutes=5))
    if rank == 0:
        dist.all_reduce(torch.zeros(1), group=group)  # reduced
    else:
        dist.barrier(group=group)  # met


def compiled(rank: int) -> None:
    """As in pytorch/pytorch#189454: a compiled graph issues the collectives of two groups in another order on one rank."""
    from torch.distributed import _functional_collectives as functional

    groups = dist.new_group([0, 1]), dist.new_group([0, 1])

    def step(x: torch.Tensor, swap: bool) -> torch.Tensor:  # step
        first, second = groups[::-1] if swap else groups
        y = functional.all_reduce(x + 1, "sum", first)
        return torch.add(functional.all_reduce(y * 2 + x, "sum", second), 1)

    fast = torch.compile(step, backend="aot_eager")
    x = torch.ones(8)
    for turn in range(3):
        swap = (rank, turn) == (1, 2)
        assert swap or torch.equal(fast(x, swap), step(x, swap))
    fast(x, rank == 1)


PROGRAMS: dict[str, Callable[[int], None]] = {
    program.__name__: program
    for program in (
        skipped_sample, dropped_batch, unused_branch, checkpoint_exists, weights_of_one, other_mesh, other_pair, local_names,
        sends_first, leaves_early, waits_for_key,
        limited, limited_difference, compiled,
    )
}  # fmt: skip

if __name__ == "__main__":
    dist.init_process_group("gloo", timeout=LONG)
    PROGRAMS[sys.argv[1]](dist.get_rank())
