"""`python -m benchmarks.soak LAUNCHES [SEED]`: launches in a row, with mixed outcomes, a load that changes, and parts that
are stopped or killed at random moments. Every verdict must be right, and nothing may be left: no process, descriptor, shared
memory or temporary file, and no memory of the watchdog, which is this process. The exit code is 1 where that fails. Nothing
else may run MPI meanwhile: its shared memory would be counted.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

from benchmarks.repeat_scenarios import load
from benchmarks.soak.disturbance import MARK, Disturbance, Disturber
from benchmarks.soak.programs import PROGRAMS, RANKS, Program
from lockstep.harness.host import proc, shared_memory
from lockstep.harness.host.polling import wait_until
from lockstep.harness.judge.verdict import Verdict

LAUNCHES = 2000
A_LOAD = 20  # launches between changes of the load
SETTLED = 20  # launches after which memory and descriptors are counted
FLAT_BYTES = 64 << 20


class Soak:
    """What has come of the launches so far."""

    def __init__(self, seed: str, folder: Path) -> None:
        self.counts: Counter[tuple[str, Disturbance]] = Counter()
        self.wrong: list[str] = []
        self.left: list[str] = []
        self.after_s: list[float] = []  # from the last rank's block to the verdict, of deadlocks that were left alone
        self.snapshots = 0
        self.figures: dict[str, list[int]] = defaultdict(list)
        self._draw, self._folder = random.Random(seed), folder

    def launch(self, number: int) -> None:
        """One launch, and what it has left."""
        program, kind = self._draw.choice(PROGRAMS), self._draw.choices([*Disturbance], (5, 3, 2))[0]
        os.environ[MARK] = mark = f"{os.getpid()}-{number}"
        before = shared_memory.made_by_mpi()
        case_folder = self._folder / "case"
        case_folder.mkdir()
        with Disturber(kind, mark, self._draw) as disturber:
            verdict = program.session(program.name, case_folder).watch()
        self._judge(number, program, kind, disturber.hit, verdict)
        self._look(number, program, mark, before)
        subprocess.run(["rm", "-rf", str(case_folder)], check=True)
        if number >= SETTLED:
            status = Path("/proc/self/status").read_text()
            self.figures["memory"].append(int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) << 10)
            self.figures["descriptors"].append(len(list(Path("/proc/self/fd").iterdir())))
            self.figures["threads"].append(int(re.findall(r"Threads:\s+(\d+)", status)[0]))

    def _judge(self, number: int, program: Program, kind: Disturbance, hit: str, verdict: Verdict) -> None:
        name = f"{program.name}, {'engine' if program.session.__name__ == '_engine' else 'MPI program'}"
        self.counts[name, kind] += 1
        self.snapshots += verdict.snapshots_judged
        if not program.judged(verdict, kind):
            words = f"{verdict.outcome.value} ({verdict.cause.value}, proved {verdict.proved})"
            self.wrong.append(f"launch {number}: {name}, {kind.value} [{hit}]: {words}: {verdict.text}")
        elif kind is Disturbance.NONE and verdict.proved and verdict.last_block_to_verdict_s is not None:
            self.after_s.append(verdict.last_block_to_verdict_s)

    def _look(self, number: int, program: Program, mark: str, before: set[str]) -> None:
        """What is there that was not, after as long as a supervisor lingers."""
        wait_until(lambda: not self._remains(mark, before), 10.0, step_s=0.1)
        self.left += [f"launch {number}: {program.name}: {what}" for what in self._remains(mark, before)]

    def _remains(self, mark: str, before: set[str]) -> list[str]:
        processes = set(proc.with_variable(MARK, mark)) - {os.getpid()}
        files = sorted(shared_memory.unheld(shared_memory.made_by_mpi() - before))
        temporary = [str(path) for path in Path(tempfile.gettempdir()).glob("lockstep-*")]
        return [f"process {pid}" for pid in processes] + files + temporary

    def table(self) -> list[str]:
        """What was done, and what was wrong."""
        rows = ["| program | left alone | stopped | killed |", "|---|---|---|---|"]
        rows += [
            f"| {name} | " + " | ".join(str(self.counts[name, kind]) for kind in Disturbance) + " |"
            for name in sorted({name for name, _ in self.counts})
        ]
        rows += ["", f"{sum(self.counts.values()):,} launches of {RANKS} ranks, {self.snapshots:,} snapshots judged"]
        rows += [f"wrong: {len(self.wrong)}", *self.wrong, f"left behind: {len(self.left)}", *self.left]
        if self.after_s:
            ordered = sorted(self.after_s)
            rows.append(
                f"proved after: median {ordered[len(ordered) // 2]:.2f} s, at most {ordered[-1]:.2f} s ({len(ordered)})"
            )
        for name, values in self.figures.items():
            unit, parts = (" MiB", 1 << 20) if name == "memory" else ("", 1)
            rows.append(f"{name} of the watchdog: {values[0] // parts}{unit} at first, {values[-1] // parts}{unit} at last")
        return rows

    @property
    def failed(self) -> bool:
        """Whether a verdict was wrong, or something stays or grows."""
        grew = any(values[-1] - values[0] > (FLAT_BYTES if name == "memory" else 0) for name, values in self.figures.items())
        return bool(self.wrong or self.left or grew)


def main(words: list[str]) -> int:
    """Soak, and print the table."""
    launches, seed = int(words[0]) if words else LAUNCHES, words[1] if len(words) > 1 else "1"
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/tmp") as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder  # what others leave in the shared one is not ours
        soak, draw, began = Soak(seed, Path(folder)), random.Random(f"load {seed}"), time.monotonic()
        for first in range(0, launches, A_LOAD):
            with load(draw.randint(0, 2)):
                for number in range(first, min(first + A_LOAD, launches)):
                    soak.launch(number)
            print(f"{min(first + A_LOAD, launches)} of {launches}, {time.monotonic() - began:.0f} s", file=sys.stderr)
        print(f"seed {seed}", *soak.table(), sep="\n")
    return int(soak.failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
