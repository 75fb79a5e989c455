"""`python -m benchmarks.suite FOLDER`: the programs of a folder, run under `lockstep watch` and held against the truth.

A table beside them says what they are. What was judged is kept in a file of results, line by line, so that a run which was
interrupted goes on where it was; a program that has changed, or is run in another way, is run again.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from benchmarks.suite.figures import figures
from benchmarks.suite.report import report
from benchmarks.suite.result import Result, append, key_of, read
from benchmarks.suite.table import COLUMNS, Program, SuiteError, load
from benchmarks.suite.watching import Options, Watching, check_launcher, compiler

RESULTS = Path("reports/suite")
DEADLINE_S, TIMEOUT_S = 30.0, 120.0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    columns = "\n".join(f"  {name:10} {meaning}" for name, meaning in COLUMNS.items())
    found = argparse.ArgumentParser(
        prog="python -m benchmarks.suite",
        description=f"Judge the programs of a folder. Columns of its table.csv, or keys of its table.yaml:\n{columns}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("folder", type=Path)
    found.add_argument("--sample", type=int, metavar="N", help="draw so many of them (default: all)")
    found.add_argument("--seed", type=int, help="of the drawing; it is printed")
    found.add_argument("--category", action="append", default=[], help="only this one; may be given again")
    found.add_argument("--jobs", type=int, default=1, metavar="N", help="programs at a time (1)")
    found.add_argument("--deadline", type=float, default=DEADLINE_S, metavar="S", help="of each watch (30)")
    found.add_argument(
        "--timeout", type=float, default=TIMEOUT_S, metavar="S", help="of each watch with all that it does (120)"
    )
    found.add_argument("--launcher", default="auto", help="auto, hydra or prrte")
    found.add_argument("--results", type=Path, metavar="FILE", help=f"default: {RESULTS}/NAME OF FOLDER.jsonl")
    found.add_argument("--again", action="store_true", help="run also what was judged before")
    found.add_argument("--json", action="store_true", help="the figures as JSON on stdout")
    return found


def chosen(programs: Sequence[Program], categories: Sequence[str], sample: int | None, seed: int) -> list[Program]:
    """The programs that are run: in the order of the table, or as drawn. Raises SuiteError for what cannot be drawn."""
    there = sorted({program.category for program in programs})
    for category in categories:
        if category not in there:
            raise SuiteError(f"--category {category}: the table has none of it; it has {', '.join(there)}")
    found = [program for program in programs if not categories or program.category in categories]
    if sample is None:
        return found
    if not 0 < sample <= len(found):
        raise SuiteError(f"--sample {sample}: give a number from 1 to {len(found)}")
    random.Random(seed).shuffle(found)  # so that a smaller sample is the beginning of a larger one
    return found[:sample]


def run(arguments: argparse.Namespace) -> int:
    """Run what was not judged yet, and print the figures of all that was chosen."""
    if arguments.jobs < 1 or not 0 < arguments.deadline < arguments.timeout:
        raise SuiteError("--jobs: give 1 or more; --timeout must be longer than --deadline, and both more than 0 seconds")
    folder: Path = arguments.folder
    seed = random.SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed
    programs = chosen(load(folder), arguments.category, arguments.sample, seed)
    results = arguments.results or RESULTS / f"{folder.resolve().name}.jsonl"
    options = Options(
        arguments.deadline,
        arguments.timeout,
        check_launcher(arguments.launcher),
        results.with_suffix("") / "built",
        results.with_suffix("") / "kept",
        compiler(),
    )
    keys = {program.name: key_of(program, options.words) for program in programs}
    known = {} if arguments.again else read(results)
    left = [program for program in programs if keys[program.name] not in known]
    _say(f"{len(programs)} programs of {folder} (seed {seed}), {len(left)} of them to run; results: {results}")
    known |= _run_all(left, options, results, arguments.jobs)
    found = figures([(program, known[keys[program.name]]) for program in programs])
    if arguments.json:
        print(json.dumps({"folder": str(folder), "seed": seed, "options": options.words, **found.to_json()}))
    else:
        print(*report(found), sep="\n")
    return 0


def _run_all(programs: Sequence[Program], options: Options, results: Path, jobs: int) -> dict[str, Result]:
    found: dict[str, Result] = {}
    watching = Watching(options)
    with ThreadPoolExecutor(jobs) as pool:
        runs = {pool.submit(watching.watch, program): program for program in programs}
        try:
            for number, done in enumerate(as_completed(runs), 1):
                result = done.result()
                found[result.key] = result
                append(results, result)
                proved = ", proved" if result.proved else ""
                cause = f" ({result.cause}{proved})" if result.cause else ""
                truth = runs[done].category
                _say(f"[{number}/{len(runs)}] {result.name}: {truth}: {result.outcome}{cause} {result.total_s:.1f} s")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            watching.stop()
            raise
    return found


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Exit code 0 when everything was run, however it was judged; 2 for a mistake of the table or the command line."""
    try:
        return run(parser().parse_args(words))
    except SuiteError as error:
        _say(f"benchmarks.suite: {error}")
        return 2
    except KeyboardInterrupt:
        _say("benchmarks.suite: interrupted; the same command goes on from here")
        return 130


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as Ctrl-C: what runs is ended
    sys.exit(main())
