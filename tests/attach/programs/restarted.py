"""Workers of torchrun, of which rank 1 fails in the first round, before any have met; in the second rank 0 raises."""

from __future__ import annotations

import os
import time

import torch.distributed as dist

rank, restarts = int(os.environ["RANK"]), int(os.environ["TORCHELASTIC_RESTART_COUNT"])
if not restarts:
    if rank == 1:
        os._exit(3)
    time.sleep(600)  # torchrun ends it: what gloo leaves in its store may keep the next round from meeting
dist.init_process_group("gloo")
if rank == 0:
    raise ValueError("in the second round")
dist.barrier()
