"""Mutants of whole rooms: `python -m benchmarks.mutant_rooms [--each N] [--seed N] [--most S] [--again] [FILE...]`.

So many mutants of each file (default: of the judge, the trace and the channel), each in a process that is forked from one
which has the libraries loaded, under the quickest tests that import the file. Who survives is written to `--output` as a
table, with its line: a test is missing there, or the change makes no difference, or only tests that take long notice it.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType

from benchmarks.mutant_reach import MOST_S as MOST_TESTS_S
from benchmarks.mutant_reach import measured
from benchmarks.mutants import ROOT, mutants

ROOMS = ("judge", "trace", "channel")
# In the name of tests that take minutes: what these alone notice survives here.
LONG = ("test_oracle", "messaging", "nonsense")
BESIDE = (
    *(f"tests/watchdog/test_{name}.py" for name in ("sleepers", "retention", "loops", "proof", "progress", "loss_watch")),
    "tests/report/test_log.py",
    "tests/native/test_tables.py",
)
LIBRARIES = ("pytest", "hypothesis", "hypothesis.strategies", "numpy", "msgpack", "pydantic", "zmq", "yaml")
MOST_S = 60.0  # a mutant may never end
IMPORTED = "ignore::pytest.PytestAssertRewriteWarning"  # libraries are loaded before pytest begins
OUTPUT = ROOT / "build" / "mutants.md"


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a file."""

    file: str
    line: int
    change: str
    text: str


class _Loader(importlib.machinery.SourceFileLoader):
    """Of a module whose text is another."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        """Of that text."""
        return compile(self._text, self.path, "exec")


class _Finder:
    """Finds that module, and no other."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = f"lockstep.{mutant.file.removesuffix('.py').replace('/', '.')}"
        self._mutant = mutant

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """As the import system asks."""
        if name != self._name:
            return None
        place = str(ROOT / self._mutant.file)
        return importlib.util.spec_from_file_location(name, place, loader=_Loader(name, place, self._mutant.text))


def quick_tests() -> list[str]:
    """Of the rooms, but for those that take minutes, and those of others that are quick and go through them."""
    found = [
        path.relative_to(ROOT).as_posix() for room in ROOMS for path in sorted((ROOT / "tests" / room).glob("test_*.py"))
    ]
    return [*(path for path in found if not any(word in path for word in LONG)), *BESIDE]


def survives(mutant: Mutant, tests: Sequence[str]) -> bool:
    """Whether the tests pass over it; one that does not end is noticed."""
    child = os.fork()
    if child == 0:
        _run(mutant, tests)
    until = time.monotonic() + MOST_S
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _run(mutant: Mutant, tests: Sequence[str]) -> None:
    """In the child: it never returns."""
    code = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.chdir(ROOT)
        sys.meta_path.insert(0, _Finder(mutant))
        import pytest

        code = pytest.main(
            ["-q", "-x", "-p", "no:cacheprovider", "-W", IMPORTED, "-m", "not slow", "--hypothesis-seed=0", *tests]
        )
    finally:
        os._exit(int(code))


def drawn(files: Sequence[str], each: int, seed: str) -> Iterator[Mutant]:
    """So many of each file; a file's draw does not depend on the others."""
    for file in files:
        every = [Mutant(file, *one) for one in mutants((ROOT / file).read_text())]
        yield from random.Random(f"{seed} {file}").sample(every, min(each, len(every)))


def table(counts: dict[str, tuple[int, int]], alive: Sequence[Mutant]) -> str:
    """How many of each file were noticed, and who was not."""
    rows = ["| file | mutants | survive |", "|---|---|---|"]
    rows += [f"| {file} | {made} | {left} |" for file, (made, left) in sorted(counts.items())]
    made, left = (sum(each) for each in zip(*counts.values(), strict=True)) if counts else (0, 0)
    rows += [f"| all | {made} | {left} |", ""]
    rows += [f"- `{one.file}:{one.line}`: `{one.change[:160]}`" for one in alive]
    return "\n".join(rows) + "\n"


def main() -> int:
    """Write the table, and print it."""
    parser = argparse.ArgumentParser(prog="benchmarks.mutant_rooms")
    parser.add_argument("files", nargs="*")
    parser.add_argument("--each", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=86_400.0)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--reach", type=Path, default=OUTPUT.with_suffix(".json"))
    parser.add_argument("--most", type=float, default=MOST_TESTS_S, help="seconds of tests for each mutant")
    parser.add_argument("--again", action="store_true")
    arguments = parser.parse_args()
    rooms = [path for room in ROOMS for path in sorted((ROOT / "harness" / room).glob("[!_]*.py"))]
    files = arguments.files or [path.relative_to(ROOT).as_posix() for path in rooms]
    until = time.monotonic() + arguments.seconds
    os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = tempfile.mkdtemp(prefix="mutants-")
    for name in LIBRARIES:
        importlib.import_module(name)
    counts: dict[str, tuple[int, int]] = {}
    alive: list[Mutant] = []
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    if arguments.again:
        arguments.reach.unlink(missing_ok=True)
    reach = measured(quick_tests(), arguments.reach)
    for mutant in drawn(files, arguments.each, arguments.seed):
        if time.monotonic() > until:
            break
        tests = reach.tests(mutant.file, mutant.line, arguments.most)
        left = not tests or survives(mutant, tests)
        made, before = counts.get(mutant.file, (0, 0))
        counts[mutant.file] = made + 1, before + left
        alive += [mutant] if left else []
        arguments.output.write_text(table(counts, alive))
    print(table(counts, alive), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
