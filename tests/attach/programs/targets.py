"""A rank whose main thread waits for one that runs nothing but C code: python targets.py MODE [PORT].

Hangs: `lock`, `queue` (of a pool). No hangs: `timer` (a thread puts something into the queue late), `socket` (a thread
of a library brings a message from outside of the job to PORT).
"""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import zmq
from mpi4py import MPI

LATE_S = 9.0


def main() -> None:
    """One of the modes."""
    mode, empty, lock = sys.argv[1], SimpleQueue[int](), threading.Lock()
    MPI.COMM_WORLD.Barrier()
    lock.acquire()
    if mode in ("queue", "timer"):
        if mode == "timer":
            threading.Timer(LATE_S, empty.put, [1]).start()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(empty.get).result()  # the pool's line
        return
    pull: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.PULL)
    if mode == "socket":
        pull.bind(f"tcp://127.0.0.1:{sys.argv[2]}")
    thread = threading.Thread(target=pull.recv if mode == "socket" else lock.acquire)
    thread.start()
    thread.join()  # the thread's line
    pull.close(0)


if __name__ == "__main__":
    main()
