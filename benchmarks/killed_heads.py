"""What a head that is killed leaves, and for how long: `python -m benchmarks.killed_heads [COUNT] [SEED]`.

Commands of users are started, and killed by SIGKILL at a random moment, beside a load that changes. All that they have
started must be gone within 5 s; then no shared memory, port or temporary file may be left. The exit code is 1 where that
fails.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.repeat_scenarios import load
from benchmarks.soak import isolation
from benchmarks.soak.disturbance import MARK
from benchmarks.soak.leftovers import Leftovers
from lockstep.harness.host import proc

LIMIT_S = 5.0
LINGER_S = 60.0  # what stays longer is left for good
LATEST_S = 12.0  # from the start of the command to the kill: some cases have ended by then
ROOT = Path(__file__).parents[1]
BIN = Path(sysconfig.get_path("scripts"))
MPI = ["mpiexec", "-n", "3", sys.executable, "tests/attach/mpi_program.py"]
TORCH = ["torchrun", "--nproc-per-node", "2", "tests/attach/torch_program.py"]
CASE = "scenarios/tensorrt_llm/attention-asymmetric.yaml"
COMMANDS: dict[str, list[str]] = {
    "run": ["run", CASE, "--device", "cpu"],
    "run --fresh": ["run", CASE, "--device", "cpu", "--fresh"],
    "watch mpiexec, correct": ["watch", "--", *MPI, "clean"],
    "watch mpiexec, hangs": ["watch", "--", *MPI, "deadlock"],
    "watch torchrun, correct": ["watch", "--", *TORCH, "slow"],
    "watch torchrun, hangs": ["watch", "--", *TORCH, "deadlock"],
}


@dataclass(frozen=True, slots=True)
class Kill:
    """One head. `processes`: how many it had started; `gone_s`: from the kill until none was there, None for never."""

    title: str
    processes: int
    gone_s: float | None
    left: tuple[str, ...]


def kill(number: int, seed: str, folder: Path) -> Kill:
    """One, at its moment."""
    draw = random.Random(f"{seed} {number}")
    title = draw.choice(list(COMMANDS))
    os.environ[MARK] = mark = f"{os.getpid()}-{number}"
    leftovers = Leftovers(mark)
    head = subprocess.Popen(
        [BIN / "lockstep", *COMMANDS[title], "--reports", folder / f"{number}"],
        cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    time.sleep(draw.uniform(0.05, LATEST_S))
    processes = len(proc.with_variable(MARK, mark))
    head.kill()
    killed = time.monotonic()
    head.wait()
    gone_s = None
    while gone_s is None and time.monotonic() - killed < LINGER_S:
        looked = time.monotonic() - killed
        if not proc.with_variable(MARK, mark):
            gone_s = looked
        time.sleep(0.02)
    return Kill(title, processes, gone_s, tuple(leftovers.found()))


def table(kills: list[Kill]) -> list[str]:
    """A row each command; then what was left, and by whom."""
    rows = ["| command | heads killed | processes | gone after: median | most | left |", "|---|---|---|---|---|---|"]
    for title in COMMANDS:
        mine = [one for one in kills if one.title == title]
        if mine:
            times = [LINGER_S if one.gone_s is None else one.gone_s for one in mine]
            most = max(one.processes for one in mine)
            left = sum(len(one.left) for one in mine)
            rows.append(f"| {title} | {len(mine)} | up to {most} | {median(times):.2f} s | {max(times):.2f} s | {left} |")
    return rows + [f"{one.title}: {', '.join(one.left)}" for one in kills if one.left]


def failed(one: Kill) -> bool:
    """Whether something stayed, or stayed too long."""
    return one.gone_s is None or one.gone_s > LIMIT_S or bool(one.left)


def main(words: list[str]) -> int:
    """Kill them, and print the table."""
    count, seed = int(words[0]) if words else 60, words[1] if len(words) > 1 else "1"
    isolation.enter("benchmarks.killed_heads", words, ROOT / "build")
    kills: list[Kill] = []
    with tempfile.TemporaryDirectory(prefix="killed-", dir="/tmp") as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        os.environ["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"
        for first in range(0, count, 10):
            with load(random.Random(f"load {seed} {first}").randint(0, 2)):
                kills += [kill(number, seed, Path(folder)) for number in range(first, min(first + 10, count))]
            print(f"{len(kills)} of {count}", file=sys.stderr)
    print(f"seed {seed}", *table(kills), sep="\n")
    return int(any(map(failed, kills)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
