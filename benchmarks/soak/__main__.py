"""`python -m benchmarks.soak LAUNCHES [SEED]`: launches in a row, with mixed outcomes, a load that changes, and parts that
are stopped or killed at random moments. Every verdict must be right, and nothing may be left: no process, descriptor, port,
shared memory or temporary file, and no memory of the watchdog, which is this process. The exit code is 1 where that fails.

`--shard I/N` does the I-th of N equal shares, `--seconds S` begins no launch after S seconds. What was done is kept below
`--folder`; begun again, it goes on. `--table` prints what the files of all shards there say, and launches nothing.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.repeat_scenarios import load
from benchmarks.soak import isolation
from benchmarks.soak.disturbance import MARK, Disturbance, Disturber
from benchmarks.soak.leftovers import Leftovers
from benchmarks.soak.programs import PROGRAMS, Program
from benchmarks.soak.record import Launch, Record, failed, read, table
from lockstep.harness.host.polling import wait_until
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.vocabulary import Outcome

LAUNCHES = 2000
A_LOAD = 20  # launches between changes of the load
LINGER_S = 10.0  # longer than a supervisor that was left alone
FOLDER = Path(__file__).parents[2] / "build" / "soak"


class Soak:
    """Launches of one process. What one does follows from the seed and its number alone, not from those before it."""

    def __init__(self, seed: str, folder: Path) -> None:
        self._seed, self._folder = seed, folder
        self._process, self._turn = f"{os.getpid()}-{int(time.time())}", 0

    def launch(self, number: int) -> Launch:
        """One launch, and what it has left."""
        draw = random.Random(f"{self._seed} {number}")
        program, kind = draw.choice(PROGRAMS), draw.choices([*Disturbance], (5, 3, 2))[0]
        os.environ[MARK] = mark = f"{os.getpid()}-{number}"
        leftovers = Leftovers(mark)
        case_folder = self._folder / "case"
        case_folder.mkdir()
        with Disturber(kind, mark, draw) as disturber:
            verdict = program.session(program.name, case_folder).watch()
        wait_until(lambda: not leftovers.found(), LINGER_S, step_s=0.1)
        left = tuple(leftovers.found())
        subprocess.run(["rm", "-rf", str(case_folder)], check=True)
        self._turn += 1
        return Launch(
            number=number,
            program=program.title,
            kind=kind.value,
            wrong=wrong(number, program, kind, disturber.hit, verdict),
            left=left,
            snapshots=verdict.snapshots_judged,
            after_s=after_s(kind, verdict),
            process=self._process,
            turn=self._turn,
            **figures(),
        )


def wrong(number: int, program: Program, kind: Disturbance, hit: str, verdict: Verdict) -> str:
    """What is wrong with a verdict, in words; empty for a right one."""
    if program.judged(verdict, kind):
        return ""
    words = f"{verdict.outcome.value} ({verdict.cause.value}, proved {verdict.proved})"
    return f"launch {number}: {program.title}, {kind.value} [{hit}]: {words}: {verdict.text}"


def after_s(kind: Disturbance, verdict: Verdict) -> float | None:
    """How long after the last rank's block a deadlock was proved that was left alone."""
    alone = kind is Disturbance.NONE and verdict.outcome is Outcome.HANG and verdict.proved
    return verdict.last_block_to_verdict_s if alone else None


def figures() -> dict[str, int]:
    """What this process has: memory, descriptors, threads."""
    status = Path("/proc/self/status").read_text()
    return {
        "memory": int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) << 10,
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": int(re.findall(r"Threads:\s+(\d+)", status)[0]),
    }


def soak(arguments: argparse.Namespace, record: Record) -> None:
    """All launches of this share that are not done yet, while there is time."""
    share, shares = arguments.shard
    numbers = [number for number in range(share - 1, arguments.launches, shares) if number not in record.done()]
    until = time.monotonic() + arguments.seconds
    with tempfile.TemporaryDirectory(prefix="soak-", dir="/tmp") as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder  # what others leave in the shared one is not ours
        launches, done = Soak(arguments.seed, Path(folder)), 0
        while done < len(numbers) and time.monotonic() < until:
            with load(random.Random(f"load {arguments.seed} {numbers[done]}").randint(0, 2)):
                for number in numbers[done : done + A_LOAD]:
                    if time.monotonic() < until:
                        record.add(launches.launch(number))
                        done += 1
            print(f"{done} of {len(numbers)}, {until - time.monotonic():.0f} s left", file=sys.stderr)
        if done < len(numbers):
            print(f"not done for want of time: {len(numbers) - done}")


def share(text: str) -> tuple[int, int]:
    """`2/4`."""
    found = re.fullmatch(r"(\d{1,4})/(\d{1,4})", text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no share; give 1/4 to 4/4, say")
    return int(found[1]), int(found[2])


def main(words: list[str]) -> int:
    """Soak, and print the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.soak")
    parser.add_argument("launches", nargs="?", type=int, default=LAUNCHES)
    parser.add_argument("seed", nargs="?", default="1")
    parser.add_argument("--shard", type=share, default=(1, 1), metavar="I/N")
    parser.add_argument("--seconds", type=float, default=10 * 86_400.0)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    parser.add_argument("--table", action="store_true", help="print the table of all shards, and launch nothing")
    arguments = parser.parse_args(words)
    folder = arguments.folder / f"seed-{arguments.seed}"
    if arguments.table:
        launches = [launch for path in sorted(folder.glob("*.jsonl")) for launch in read(path)]
    else:
        isolation.enter("benchmarks.soak", words, folder.absolute())
        record = Record(folder / f"shard-{arguments.shard[0]}-of-{arguments.shard[1]}.jsonl")
        soak(arguments, record)
        launches = record.launches
    print(f"seed {arguments.seed}", *table(launches), sep="\n")
    return int(failed(launches))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
