"""Which tests come to which function of the judge, the trace and the channel: a mutant is tried under those alone.

Each test is run once with a profile that sees the calls of its threads; what runs in processes of its own is not seen.
Code of a module itself runs when it is imported, so that every test of the file counts as coming to it.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

from benchmarks.mutants import ROOT

PREFIXES = tuple(f"{ROOT / 'harness' / room}{os.sep}" for room in ("judge", "trace", "channel"))
MOST_S = 5.0  # of tests for one mutant, the quickest first


class Profile:
    """A plugin of pytest that notes for each test the code it calls, and how long it takes."""

    def __init__(self) -> None:
        self.calls: dict[str, set[tuple[str, int]]] = {}
        self.seconds: dict[str, float] = {}
        self.failed: set[str] = set()
        self._seen: set[CodeType] = set()

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            self._seen.add(frame.f_code)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Around one test with its fixtures."""
        self._seen, began = set(), time.monotonic()
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        try:
            return (yield)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            self.seconds[item.nodeid] = time.monotonic() - began
            places = ((os.path.realpath(code.co_filename), code.co_firstlineno) for code in self._seen)
            self.calls[item.nodeid] = {
                (os.path.relpath(file, ROOT), line) for file, line in places if file.startswith(PREFIXES)
            }

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One that fails without a mutant tells nothing of any."""
        if report.failed:
            self.failed.add(report.nodeid)


class Reach:
    """Of each test the functions it comes to, and how long it takes."""

    def __init__(self, calls: dict[str, Any], seconds: dict[str, float]) -> None:
        self._seconds = seconds
        self._tests: dict[str, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
        functions: dict[str, list[range]] = {}
        for test, places in calls.items():
            for file, line in places:
                if file not in functions:
                    functions[file] = _functions((ROOT / file).read_text())
                self._tests[file][_owner(functions[file], line)].add(test)
        self._functions = functions

    def tests(self, file: str, line: int, most_s: float = MOST_S) -> list[str]:
        """Those that come to a line, the quickest first, for as many seconds as a mutant may take; of a file whose functions
        nobody calls (tables, enumerations) all."""
        of_file = self._tests.get(file, {})
        owner = _owner(self._functions.get(file, []), line)
        found = of_file.get(owner, set()) if owner else set().union(*of_file.values()) or set(self._seconds)
        chosen: list[str] = []
        left = most_s
        for test in sorted(found, key=lambda test: (self._seconds[test], test)):
            left -= self._seconds[test]
            if left < 0 and chosen:
                break
            chosen.append(test)
        return chosen


def measured(tests: Sequence[str], kept: Path) -> Reach:
    """Of these tests, run now in a process of their own; `kept`: where the answer is for another time."""
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        child = os.fork()
        if child == 0:
            _measure(tests, kept)
        os.waitpid(child, 0)
    told = json.loads(kept.read_text())
    return Reach(told["calls"], told["seconds"])


def _measure(tests: Sequence[str], kept: Path) -> None:
    """In the child: it never returns."""
    with contextlib.suppress(BaseException):
        os.chdir(ROOT)
        profile = Profile()
        words = ["-q", "-p", "no:cacheprovider", "-m", "not slow", "--hypothesis-seed=0", "-W", "ignore", *tests]
        pytest.main(words, plugins=[profile])
        calls = {test: sorted(places) for test, places in profile.calls.items() if test not in profile.failed}
        kept.write_text(json.dumps({"calls": calls, "seconds": profile.seconds}))
    os._exit(0)


def _functions(source: str) -> list[range]:
    """The lines of each function, with its decorators; one that stands in another comes after it."""
    found = [node for node in ast.walk(ast.parse(source)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    starts = [min([node.lineno, *(one.lineno for one in node.decorator_list)]) for node in found]
    return [range(start, (node.end_lineno or start) + 1) for start, node in zip(starts, found, strict=True)]


def _owner(functions: Sequence[range], line: int) -> int:
    """The first line of the innermost function that has this line; 0: it is of the module."""
    return max((lines.start for lines in functions if line in lines), default=0)
