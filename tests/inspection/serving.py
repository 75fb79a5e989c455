"""A rank with PyTorch's worker server, which gives its Flight Recorder."""

import sys
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.elastic.control_plane import worker_main

serves = worker_main()
assert serves is not None
with serves:
    dist.init_process_group("gloo")
    dist.all_reduce(torch.ones(4))
    Path(sys.argv[1], "ready-0").touch()
    time.sleep(10000)
