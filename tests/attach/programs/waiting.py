"""Processes that communicate in nothing but pipes, queues and locks: python waiting.py MODE [PORT].

Hangs: `queues` (two that each wait for the other to send first), `full` (the same behind much output), `polls` (the same,
by waits with a limit of time), `pool` (a worker has ended with its task), `locks` (two threads that take two locks in
another order), `given` (a process that is started with nothing but a queue's method), `compiled` (one that reads what
nobody sends). No hangs, though nothing moves for a while: `slow`, `slower` (who sends sleeps first), `server` (idle
workers, and a front end that waits for somebody to connect), `parked`, `loop` (idle workers, and a front end that serves
until Ctrl-C, in an event or in asyncio; it prints its number).
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing as mp
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.queues import Queue
from queue import Empty
from typing import Any

context = mp.get_context("fork")


def _answers(requests: Queue[Any], replies: Queue[Any]) -> None:
    while (request := requests.get()) is not None:  # the worker's line
        replies.put(request)


def _task(number: int) -> int:
    if number == 1:
        os._exit(1)
    return number


def _both(first: threading.Lock, second: threading.Lock, meet: threading.Barrier) -> None:
    with first:
        meet.wait()
        with second:  # the lock's line
            pass


def _locks() -> None:
    a, b, meet = threading.Lock(), threading.Lock(), threading.Barrier(2)
    thread = threading.Thread(target=_both, args=(a, b, meet))
    thread.start()
    _both(b, a, meet)
    thread.join()


def _pool() -> None:
    with context.Pool(2) as pool:
        pool.map(_task, range(3), 1)  # the pool's line


def _given() -> None:
    requests = context.Queue()
    worker = context.Process(target=requests.get)
    worker.start()  # the start's line
    worker.join()


def _compiled() -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        child.wait()  # the child's line


async def _serve() -> None:
    with ProcessPoolExecutor(2, mp_context=context) as workers:
        await asyncio.get_running_loop().run_in_executor(workers, _task, 0)
        print(os.getpid(), flush=True)
        await asyncio.Event().wait()


def _loop() -> None:
    try:
        asyncio.run(_serve())
    except KeyboardInterrupt:
        print("interrupted", flush=True)


def _front_end(mode: str, port: int) -> None:
    requests, replies = context.Queue(), context.Queue()
    workers = [context.Process(target=_answers, args=(requests, replies)) for _ in range(2)]
    for worker in workers:
        worker.start()
    if mode == "full":
        os.write(1, b"x" * 300_000)
    if mode in ("queues", "full"):
        replies.get()  # the front end's line
    while mode == "polls":
        with contextlib.suppress(Empty):
            replies.get(timeout=0.1)  # the loop's line
    if mode in ("slow", "slower"):
        time.sleep(8 if mode == "slow" else 16)
    if mode == "server":
        with socket.create_server(("127.0.0.1", port)) as server:
            server.accept()
    if mode == "parked":
        print(os.getpid(), flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    requests.put(1)
    replies.get()
    for _ in workers:
        requests.put(None)
    for worker in workers:
        worker.join()


def main() -> None:
    """One of the modes."""
    mode, port = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    alone = {"locks": _locks, "pool": _pool, "loop": _loop, "given": _given, "compiled": _compiled}
    alone.get(mode, lambda: _front_end(mode, port))()


if __name__ == "__main__":
    main()
