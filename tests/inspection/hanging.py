"""Ranks of torch.distributed over gloo that wait for one of them: `asleep` never comes, `parted` is in another operation,
`dies` is killed, `turns` is a loop in which all go on.
"""

import os
import signal
import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
value = torch.ones(4)
dist.all_reduce(value)
Path(sys.argv[2], f"ready-{rank}").touch()

if sys.argv[1] == "turns":
    while True:
        dist.all_reduce(value)
        time.sleep(0.01)
if rank == 1 and sys.argv[1] == "asleep":
    time.sleep(10000)
if rank == 1 and sys.argv[1] == "dies":
    os.kill(os.getpid(), signal.SIGKILL)
if rank == 1 and sys.argv[1] == "parted":
    dist.barrier()
dist.all_reduce(value)
