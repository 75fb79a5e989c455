"""Workers of torchrun, of which rank 1 fails in the first round; with `again` rank 0 raises in the second."""

from __future__ import annotations

import os
import sys

import torch.distributed as dist

rank, restarts = int(os.environ["RANK"]), int(os.environ["TORCHELASTIC_RESTART_COUNT"])
if not restarts and rank == 1:
    os._exit(3)  # before it has met the others: what gloo leaves in the store may keep the next round from meeting
dist.init_process_group("gloo")
dist.barrier()
if rank == 0 and sys.argv[1:] == ["again"]:
    raise ValueError("in the second round")
dist.barrier()
dist.destroy_process_group()
