"""Programs of torch.distributed that end in order, though for some seconds they look as if they never could."""

import os
import pickle
import sys
import threading
import time
from datetime import timedelta

if sys.argv[1] == "closed_descriptors":
    os.closerange(3, 4096)

import torch
import torch.distributed as dist


def expects_the_deadline() -> None:
    """Each waits for the other until the deadline that the program has set."""
    dist.init_process_group("gloo", timeout=timedelta(seconds=4))
    wait_in_vain()


def deadline_of_one_operation() -> None:
    """One operation has a deadline of its own; who waited in it goes on and sends what the other waits for."""
    dist.init_process_group("gloo")
    other = dist.new_group([0, 1])
    if dist.get_rank() == 0:
        options = dist.AllreduceOptions()
        options.timeout = timedelta(seconds=4)
        world = dist.group.WORLD
        assert world is not None
        try:
            world.allreduce([torch.ones(1)], options).wait()
        except RuntimeError:
            dist.send(torch.ones(1), dst=1, group=other)
            return
        raise AssertionError("nobody had come")
    dist.recv(torch.zeros(1), src=0, group=other)


def wait_in_vain() -> None:
    """It handles the error."""
    try:
        dist.recv(torch.zeros(1), src=1 - dist.get_rank())
    except RuntimeError:
        return
    raise AssertionError("nobody had sent anything")


def helped_before_the_limit() -> None:
    """Each waits for the other on a group with a limit, until a thread that has done nothing yet sends what one needs."""
    dist.init_process_group("gloo", timeout=timedelta(minutes=2))
    if dist.get_rank() == 0:
        dist.recv(torch.zeros(1), src=1)
        dist.barrier()
    else:
        timer = threading.Timer(9.0, dist.send, (torch.zeros(1), 0))
        timer.start()
        dist.barrier()
        timer.join()
    dist.destroy_process_group()  # without it torch itself may abort when the interpreter ends


def operators() -> None:
    """What compiled graphs call: operators, which compilers know by their class and hash, also those that write in place."""

    def seen() -> tuple[object, ...]:
        """What a compiler, or its cache, may look at."""
        operator = torch.ops._c10d_functional.all_reduce_.default
        try:
            pickle.dumps(operator)
        except Exception as error:
            return hash(operator), type(operator), str(operator), type(error)
        return hash(operator), type(operator), str(operator)

    before = seen()
    from torch.distributed import _functional_collectives  # noqa: F401

    dist.init_process_group("gloo")
    known, group = torch.ops._c10d_functional, dist.distributed_c10d._get_default_group().group_name
    assert seen() == before
    for _ in range(20):
        mine, out = torch.ones(4), torch.empty(8)
        issued = known.all_reduce_.default(mine, "sum", group)
        known.wait_tensor.default(issued)
        gathered = known.all_gather_into_tensor_out.default(mine, 2, group, out=out)
        known.wait_tensor.default(gathered)
        assert out.tolist() == [2.0] * 8
    dist.barrier()
    dist.destroy_process_group()  # without it torch itself may abort when the interpreter ends


def deadline_of_the_start() -> None:
    """The first waits for the other with a deadline; that never comes."""
    if os.environ["RANK"] == "0":
        try:
            dist.init_process_group("gloo", timeout=timedelta(seconds=6))
        except RuntimeError:
            return
        raise AssertionError("nobody had come")


def closed_descriptors() -> None:
    """Ranks close all descriptors that they did not open themselves."""
    dist.init_process_group("gloo")
    time.sleep(2 * dist.get_rank())
    dist.barrier()


def left_to_a_child() -> None:
    """The second ends, but its sockets are open in a child that it has forked: when that ends the first gets its error."""
    dist.init_process_group("gloo")
    value = torch.ones(1)
    dist.all_reduce(value)
    if dist.get_rank() == 1:
        if os.fork() == 0:
            time.sleep(7)
        os._exit(0)
    try:
        dist.all_reduce(value)
    except RuntimeError:
        os._exit(0)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
    print("done")
