"""Ranks and a front end that wait for each other outside of communicators: python sleeping.py MODE [PORT].

Hangs: `queue` (a reply is lost), `event` (set after a collective that the others never enter), `lock` (held across a
collective by one thread, wanted by another), `loop` (a future that is awaited on the thread that would have to make it),
`store`, `file-store` (a key that is set after a barrier; of the latter PORT is the path), `hash-store` (a key that only the
rank itself could set). No hangs, though nothing moves for a while: `late-key`, `late-file` (a key that is set late), `slow`
(the front end sleeps before it sends work), `server` (it waits for somebody to connect), `pool` (as `server`, below a
Python thread that waits for an event).
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import time
from datetime import timedelta
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Event
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch._C._distributed_c10d import FileStore, HashStore


def _queue(rank: int, work: Queue[Any], replies: Queue[Any], event: Event) -> None:
    while (step := work.get()) is not None:  # the ranks' line
        dist.all_reduce(torch.ones(4))
        if rank == 0 and step != "lost":
            replies.put(step)


def _event(rank: int, work: Queue[Any], replies: Queue[Any], event: Event) -> None:
    if rank == 0:
        dist.barrier()
        event.set()
    else:
        event.wait()  # the event's line


def _lock(rank: int, work: Queue[Any], replies: Queue[Any], event: Event) -> None:
    control, transfer = dist.new_group([0, 1]), dist.new_group([0, 1])
    lock, holds = threading.Lock(), threading.Event()

    def background() -> None:
        holds.wait()
        with lock:  # the lock's line
            dist.broadcast(torch.ones(4), src=0, group=transfer)

    if rank == 0:
        threading.Thread(target=background).start()
        with lock:
            holds.set()
            dist.barrier(group=control)
    else:
        dist.broadcast(torch.ones(4), src=0, group=transfer)
        dist.barrier(group=control)


def _loop(rank: int, work: Queue[Any], replies: Queue[Any], event: Event) -> None:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()

    async def weights() -> int:
        return 3

    async def generate() -> int:
        return asyncio.run_coroutine_threadsafe(weights(), loop).result()  # the loop's line

    if rank == 0:
        asyncio.run_coroutine_threadsafe(generate(), loop).result()
    dist.barrier()


def _store(rank: int, work: Queue[Any], replies: Queue[Any], event: Event) -> None:
    store = dist.distributed_c10d._get_default_store()
    if rank == 0:
        store.wait(["ready"])  # the store's line
    else:
        dist.barrier()
        store.set("ready", "1")


def _file_store(rank: int, work: Queue[Any], replies: Queue[Any], event: Event) -> None:
    store = FileStore(sys.argv[2], 2)
    if rank == 0:
        store.wait(["ready"], timedelta(hours=1))  # the file store's line
    else:
        dist.barrier()
        store.set("ready", "1")


def _late_file(rank: int, work: Queue[Any], replies: Queue[Any], event: Event) -> None:
    store = FileStore(sys.argv[3], 2)
    if rank == 0:
        store.wait(["ready"], timedelta(hours=1))
    else:
        time.sleep(8)
        store.set("ready", "1")
    dist.barrier()


def _hash_store(rank: int, work: Queue[Any], replies: Queue[Any], event: Event) -> None:
    if rank == 0:
        HashStore().wait(["ready"], timedelta(hours=1))  # the hash store's line
    dist.barrier()


def _late_key(rank: int, work: Queue[Any], replies: Queue[Any], event: Event) -> None:
    store = dist.distributed_c10d._get_default_store()
    if rank == 0:
        store.get("ready")
    else:
        time.sleep(8)
        store.set("ready", "1")
    dist.barrier()


FED = ("queue", "slow", "server", "pool")  # by the front end
PARTS = {
    **dict.fromkeys(FED, _queue),
    "event": _event,
    "lock": _lock,
    "loop": _loop,
    "store": _store,
    "file-store": _file_store,
    "hash-store": _hash_store,
    "late-key": _late_key,
    "late-file": _late_file,
}


def rank_process(mode: str, rank: int, port: int, work: Queue[Any], replies: Queue[Any], event: Event) -> None:
    """One rank."""
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port), RANK=str(rank), WORLD_SIZE="2")
    dist.init_process_group("gloo")
    PARTS[mode](rank, work, replies, event)
    dist.destroy_process_group()


def front_end(mode: str, port: int, queues: list[Queue[Any]], replies: Queue[Any]) -> None:
    """Gives work to the ranks and takes their replies."""
    for step in ("first", "lost" if mode == "queue" else "second"):
        if mode == "slow":
            time.sleep(8)
        if mode in ("server", "pool"):
            with socket.create_server(("127.0.0.1", port)) as server:
                server.accept()
        for one in queues:
            one.put(step)
        print("reply", replies.get(), flush=True)  # the front end's line
    for one in queues:
        one.put(None)


def main() -> None:
    """The front end, which starts the ranks."""
    mode, port = sys.argv[1], int(sys.argv[2]) if sys.argv[2:] and sys.argv[2].isdecimal() else 0
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        meeting = one.getsockname()[1]
    context = mp.get_context("fork")
    queues, replies, event = [context.Queue() for _ in range(2)], context.Queue(), context.Event()
    parts = [context.Process(target=rank_process, args=(mode, r, meeting, queues[r], replies, event)) for r in range(2)]
    for part in parts:
        part.start()
    if mode in FED:
        front = threading.Thread(target=front_end, args=(mode, port, queues, replies))
        (front.start if mode == "pool" else front.run)()
    for part in parts:
        part.join()


if __name__ == "__main__":
    main()
