"""A driver that starts a small cluster of its own and lets two actors meet in gloo. It knows nothing of Lockstep.

`python program.py [WHAT]`: what befalls the second actor after the first all-reduce; by default nothing.
"""

import os
import signal
import sys
import tempfile
import time
from typing import Any

import ray  # type: ignore[import-not-found]


class Worker:
    """A member of the world of two."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def meet(self, place: str) -> int:
        """Join the world."""
        import torch.distributed as dist

        dist.init_process_group("gloo", init_method=f"file://{place}", rank=self.rank, world_size=2)
        return os.getpid()

    def step(self, what: str) -> float:
        """One all-reduce of both; then the second may go astray."""
        import torch
        import torch.distributed as dist

        ones = torch.ones(1)
        dist.all_reduce(ones)
        if self.rank == 1:
            if what == "leave-out":
                return 0.0
            if what in ("other", "timeout", "task"):
                dist.barrier()
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "raise":
                raise MemoryError("no room for the largest batch")
            if what == "slow":
                time.sleep(40)
        dist.all_reduce(ones)
        return float(ones)


class Lock:
    """An actor that is in no world."""

    def wait(self) -> None:
        """Takes its own lock twice."""
        import threading

        lock = threading.Lock()
        lock.acquire()
        lock.acquire()

    def sleep(self, seconds: float) -> None:
        """Work that takes its time."""
        time.sleep(seconds)


def pause(seconds: float) -> None:
    """A task that takes its time."""
    time.sleep(seconds)


def recover(what: str, actors: list[Any], steps: list[Any]) -> None:
    """End actors that have waited for too long."""
    if what == "timeout":
        try:
            ray.get(steps, timeout=25)
        except ray.exceptions.GetTimeoutError:
            print("late", flush=True)
    else:
        ray.get(ray.remote(pause).remote(25.0))
    for one in actors:
        ray.kill(one)
    print("recovered", flush=True)


def main() -> None:
    """Start the cluster, let both step, and wait for both."""
    what = sys.argv[1] if len(sys.argv) > 1 else ""
    if "RAY_ADDRESS" in os.environ:
        ray.init()
    else:
        ray.init(num_cpus=3, include_dashboard=False)
    if what in ("get", "idle"):
        idle, actor = ray.remote(Lock).remote(), ray.remote(Lock).remote()
        ray.get(idle.sleep.remote(0.0))
        ray.get(actor.wait.remote() if what == "get" else actor.sleep.remote(40.0))
    else:
        with tempfile.TemporaryDirectory() as folder:
            actors = [ray.remote(Worker).remote(rank) for rank in range(2)]
            ray.get([one.meet.remote(f"{folder}/store") for one in actors])
            steps = [one.step.remote(what) for one in actors]
            if what in ("timeout", "task"):
                recover(what, actors, steps)
            else:
                print(ray.get(steps), flush=True)
    print("done", flush=True)
    ray.shutdown()


if __name__ == "__main__":
    main()
