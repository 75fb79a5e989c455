"""Every scenario many times on a machine that is busy with something else: the table of what was not as expected.

`python -m benchmarks.repeat_scenarios [ROUNDS] [SCENARIO...] [OPTION...]` (`-h` tells them): begun again, it goes on. An
expectation that is decided by a race shows here sooner than in a night. The table must be empty; the exit code is that of
the run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from lockstep.harness.cli import main
from lockstep.harness.report.line import Line
from lockstep.harness.report.result import GREEN, results
from lockstep.harness.report.store import ROOT, RunStore

BURN = "while True: sum(range(10_000))"


@contextmanager
def load(processes: int) -> Iterator[None]:
    """So many processes that do nothing but compute."""
    burning = [subprocess.Popen([sys.executable, "-c", BURN]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in burning:
            process.kill()
            process.wait()


def table(lines: Sequence[Line]) -> list[str]:
    """One row a case that was not as expected every time, with what it was instead; first how much was run."""
    found = results(lines)
    rows = [f"{len(found)} cases, {len(lines)} launches, {sum(line.standing == 'expected' for line in lines)} as expected"]
    for result in found:
        if result.standing not in GREEN:
            wrong = Counter((line.words, line.differences) for line in result.lines if line.standing != "expected")
            rows += [
                f"{count}/{len(result.lines)} {result.case}: {words}; {differences or '-'}"
                for (words, differences), count in wrong.most_common()
            ]
    return rows


def repeat(arguments: argparse.Namespace) -> int:
    """Run, and print the table."""
    chosen = arguments.scenarios or ["--all"]
    options = ["--repeat", str(arguments.rounds), "--jobs", str(arguments.jobs), "--device", arguments.device]
    options += ["--resume" if (ROOT / arguments.run_id).exists() else "--run-id", arguments.run_id]
    options += ["--shard", arguments.shard] if arguments.shard else []
    with load(arguments.load):
        code = main(["run", *chosen, *options])
    if code == 2:  # nothing was run
        return code
    print(*table(RunStore.open(ROOT / arguments.run_id).lines), sep="\n")
    return code


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="benchmarks.repeat_scenarios")
    parser.add_argument("rounds", nargs="?", type=int, default=20)
    parser.add_argument("scenarios", nargs="*")
    parser.add_argument("--load", type=int, default=2, help="processes that compute meanwhile")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--run-id", default="repeated")
    parser.add_argument("--shard", help="the I-th of N equal shares of the cases")
    parser.add_argument("--device", default="auto")
    sys.exit(repeat(parser.parse_args()))
