"""A front end that hands work to two ranks through queues, and a reply that gets lost: all wait, nobody for a collective.

Somebody from outside may connect to the front end, so that nobody can know that it is for ever.
"""

from __future__ import annotations

import os
import socket
import threading
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def worker(rank: int, port: int, work: Any, replies: Any) -> None:
    """Answer each step but the third."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE="2")
    dist.init_process_group("gloo")
    while True:
        step = work.get()  # the ranks' line
        dist.all_reduce(torch.ones(4))
        if rank == 0 and step < 2:
            replies.put(step)


def main() -> None:
    """Send steps, and wait for the answer to each."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    spawn = mp.get_context("spawn")
    work, replies = [spawn.Queue() for _ in range(2)], spawn.Queue()
    workers = [spawn.Process(target=worker, args=(rank, port, work[rank], replies)) for rank in range(2)]
    for one in workers:
        one.start()
    for step in range(6):
        for queue in work:
            queue.put(step)
        if step == 2:
            threading.Thread(target=socket.create_server(("127.0.0.1", 0)).accept, daemon=True).start()
            print("up", flush=True)
        replies.get()  # the front end's line


if __name__ == "__main__":
    main()
