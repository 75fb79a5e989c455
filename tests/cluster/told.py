"""A rank on some host: joins its peers by MPI and by gloo, prints what it was told, and waits if it is asked to."""

from __future__ import annotations

import json
import os
import sys
import time

import torch
import torch.distributed as dist
from mpi4py import MPI

NAMES = ["LOCKSTEP_ADDRESS", "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME", "LOCAL_RANK", "LOCAL_WORLD_SIZE"]
NAMES += ["MASTER_ADDR", "SECRET"]

world = MPI.COMM_WORLD
dist.init_process_group("gloo")
total = torch.ones(1)
dist.all_reduce(total)
about = {"rank": world.rank, "host": os.uname().nodename, "total": int(total.item())}
print(json.dumps({**about, **{name: os.environ.get(name) for name in NAMES}}), flush=True)
if sys.argv[1:] == ["wait"]:
    time.sleep(1000)
world.Barrier()
dist.destroy_process_group()
