"""`lockstep peek [RUN]`: who waits where in a run that goes on. Exit code 0, 2 when nothing goes on, 3 without an answer."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lockstep.harness.commands import Subparsers
from lockstep.harness.report.questions import Question, in_flight
from lockstep.harness.report.store import ROOT, find_run
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.shell import command_line
from lockstep.harness.watchdog.peek_folder import FOLDER, WATCHDOG

TIMEOUT_S = 45.0  # a look, then stacks, on a loaded host
POLL_S = 0.2
EXIT_NO_ANSWER = 3


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("peek")
    text = "a run id or folder (default: the one that goes on, the latest of several)"
    parser.add_argument("run_id", metavar="RUN", nargs="?", help=text)
    parser.add_argument("--reports", type=Path, default=ROOT, metavar="DIR", help=f"where runs are kept ({ROOT})")
    parser.add_argument(
        "--timeout", type=float, default=TIMEOUT_S, metavar="S", help=f"wait so long for answers ({TIMEOUT_S:.0f})"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON line a case")
    parser.set_defaults(run=peek)


def peek(arguments: argparse.Namespace) -> int:
    """Ask every case in flight of a run, and print what comes."""
    if arguments.timeout <= 0:
        raise ScenarioError(f"lockstep peek: --timeout {arguments.timeout:g}: give more than 0 seconds")
    run, cases = _in_flight(arguments.run_id, arguments.reports)
    print(f"run {run.name}:", file=sys.stderr)
    questions = [Question.put(case) for case in cases]
    deadline = time.monotonic() + arguments.timeout
    told = 0
    left = questions
    while left and time.monotonic() < deadline:
        for question in left:
            if (answer := question.answer()) is not None:
                told += _print(question, answer, arguments.json)
        left = [question for question in left if not question.over]
        if left:
            time.sleep(POLL_S)
    for question in left:
        question.withdraw()
        print(f"{question.case.name}: no answer within {arguments.timeout:g} s; {question.about}", file=sys.stderr)
    return EXIT_NO_ANSWER if left or not told else 0


def _in_flight(name: str | None, root: Path) -> tuple[Path, list[Path]]:
    """A run, and the folders of its cases in flight. Raises ScenarioError when there is none."""
    if name is not None:
        run = find_run(name, root)
        run = run.resolve() if run.is_symlink() else run
        cases = in_flight(run)
        if not cases:
            raise ScenarioError(f"lockstep peek: run {run.name} has ended, or none of its cases has begun; {_see(run)}")
        return run, cases
    runs = {path.parents[3] for path in root.glob(f"*/cases/*/{FOLDER}/{WATCHDOG}") if not path.parents[3].is_symlink()}
    found = {run: cases for run in sorted(runs, key=lambda run: run.stat().st_mtime) if (cases := in_flight(run))}
    if not found:
        latest = root / "latest"
        last = (
            f"; the last run is {latest.resolve().name}: {_see(latest.resolve())}"
            if latest.is_symlink() and latest.exists()
            else ""
        )
        raise ScenarioError(f"lockstep peek: no run goes on in {root}{last}")
    *others, run = found
    if others:
        listed = ", ".join(other.name for other in others)
        print(f"lockstep peek: others go on too, ask for them by name: {listed}", file=sys.stderr)
    return run, found[run]


def _see(run: Path) -> str:
    return f"`{command_line(['lockstep', 'report', run])}` has its verdicts"


def _print(question: Question, answer: Mapping[str, Any], as_json: bool) -> bool:
    """Whether it is an answer of a case that goes on."""
    if as_json:
        print(json.dumps(answer), flush=True)
    elif "ended" in answer:
        print(f"{answer['case']} has ended meanwhile: {answer['ended']}: {answer['text']}", flush=True)
    else:
        since = f"{answer['since_start_s']:.0f} s after its start, {answer['still_s']:.0f} s since anything moved"
        print(f"{answer['case']}, {since}: {answer['text']}\n  kept in {answer['folder']}", flush=True)
    return True
