"""Four ranks on gloo that write their Flight Recorder down where they stand. argv: folder, mode.

skip: rank 2 leaves out the all_gather and goes to the barrier. ring: as skip, but ranks 0 and 1 have done 60 operations of a
group of their own, and the ring holds 16. healthy: ranks 0 and 1 have done as much, and nobody hangs. peers: ranks 0 and 1
both receive first, from each other.
"""

import os
import sys
import threading
import time
from pathlib import Path

FOLDER, MODE = sys.argv[1:3]
os.environ["TORCH_FR_BUFFER_SIZE"] = "16" if MODE in ("ring", "healthy") else "2000"
import torch  # noqa: E402
import torch.distributed as dist  # noqa: E402

ALL_REDUCES, OWN = 5, {"ring": 60, "healthy": 60}.get(MODE, 3)


def dump() -> None:
    """Write the dump once this rank has come to where it stays."""
    import pickle

    while True:
        raw = torch._C._distributed_c10d._dump_fr_trace()  # type: ignore[attr-defined]
        entries = pickle.loads(raw)["entries"]
        last = entries[-1] if entries else {"retired": True, "profiling_name": ""}
        if (there.is_set() and last["retired"]) or (not last["retired"] and last["collective_seq_id"] == ALL_REDUCES + 1):
            break
        time.sleep(0.1)
    name = Path(FOLDER) / f"rank{rank}_container-node{rank // 2:02d}.pickle"
    part = name.with_suffix(".part")
    part.write_bytes(raw)
    part.rename(name)
    while len(list(Path(FOLDER).glob("*.pickle"))) < world:
        time.sleep(0.1)
    os._exit(0)


there = threading.Event()
dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
threading.Thread(target=dump, daemon=True).start()
numbers = torch.ones(4)
pair = dist.new_group([0, 1], group_desc="tp")
for _ in range(ALL_REDUCES):
    dist.all_reduce(numbers)
for _ in range(OWN if rank < 2 else 0):
    dist.all_reduce(numbers, group=pair)
if MODE == "healthy" or (MODE == "peers" and rank < 2):
    there.set()  # no collective will follow
if MODE == "healthy":
    time.sleep(600)
if MODE == "peers" and rank < 2:
    dist.recv(numbers, src=1 - rank)
if MODE != "peers" and rank != 2:
    dist.all_gather([torch.zeros(4) for _ in range(world)], numbers)
dist.barrier()
