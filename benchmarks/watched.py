"""What being watched costs an unmodified program: the time of its own loop, watched and plain interleaved, the best of each.

`python -m benchmarks.watched [gloo] [allreduce] [pingpong]`: the programs are below, and know nothing of being watched.
"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROUNDS = 5
BIN = Path(sysconfig.get_path("scripts"))
PROGRAMS = {
    "gloo": """
import time, torch, torch.distributed as dist
dist.init_process_group("gloo")
value = torch.ones(4)
for _ in range(200): dist.all_reduce(value)
start = time.perf_counter()
for _ in range(20_000): dist.all_reduce(value)
if dist.get_rank() == 0: print("loop", time.perf_counter() - start, flush=True)
dist.destroy_process_group()
""",
    "allreduce": """
import time, numpy
from mpi4py import MPI
world = MPI.COMM_WORLD
mine, total = numpy.ones(4), numpy.ones(4)
for _ in range(200): world.Allreduce(mine, total)
start = time.perf_counter()
for _ in range(20_000): world.Allreduce(mine, total)
if world.rank == 0: print("loop", time.perf_counter() - start, flush=True)
""",
    "pingpong": """
import time
from mpi4py import MPI
world = MPI.COMM_WORLD
data = bytearray(8)
peer = 1 - world.rank
def turn():
    if world.rank: world.Recv(data, peer); world.Send(data, peer)
    else: world.Send(data, peer); world.Recv(data, peer)
for _ in range(200): turn()
start = time.perf_counter()
for _ in range(20_000): turn()
if world.rank == 0: print("loop", time.perf_counter() - start, flush=True)
""",
}
_PRINTED = re.compile(r"loop ([0-9.e-]+)")


def measure(names: list[str] | None = None) -> dict[str, float]:
    """Seconds of 20,000 turns on 2 ranks, plain and watched, and their ratio."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names or list(PROGRAMS):
            program = Path(folder) / f"{name}.py"
            program.write_text(PROGRAMS[name])
            plain, watched = [], []
            for number in range(ROUNDS):
                command = _command(name, program)
                plain.append(_loop_s(command))
                reports = Path(folder) / f"{name}-{number}"
                watched.append(_loop_s([str(BIN / "lockstep"), "watch", "--reports", str(reports), "--", *command]))
            figures |= {
                f"{name} plain s": min(plain),
                f"{name} watched s": min(watched),
                f"{name} ratio of the best": min(watched) / min(plain),
                f"{name} widest ratio in one round": max(w / p for w, p in zip(watched, plain, strict=True)),
            }
    return figures


def _command(name: str, program: Path) -> list[str]:
    if name == "gloo":
        return [str(BIN / "torchrun"), "--nproc-per-node", "2", str(program)]
    return [str(BIN / "mpiexec"), "-n", "2", sys.executable, str(program)]


def _loop_s(command: list[str]) -> float:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    found = _PRINTED.search(done.stdout + done.stderr)
    if done.returncode or found is None:
        said = (done.stdout + done.stderr)[-800:]
        raise SystemExit(f"benchmarks: {' '.join(command)} ended with {done.returncode}: {said}")
    return float(found[1])


if __name__ == "__main__":
    for figure, value in measure(sys.argv[1:] or None).items():
        print(f"{figure}: {value:.4g}")
