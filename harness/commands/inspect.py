"""`lockstep inspect [PID...|NAME]`: a job that somebody else has started, looked at from outside and left as it is.

Exit code 1 when what is seen points to a hang, 0 when it does not, 2 when there is nothing to look at.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.hosts import HostOptions, add_hosts, add_launcher
from lockstep.harness.commands.site import alone
from lockstep.harness.inspection.answer import Answer, look_here, question
from lockstep.harness.inspection.whole import whole
from lockstep.harness.judge.inspection import Inspection, Look, inspect
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.survey import ask_hosts
from lockstep.harness.report.destination import written
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.shell import command_line

SECONDS = 3.0
LONGEST_S = 20.0


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("inspect")
    text = "processes of the job, or one word of its command line (default: the only job whose ranks run here)"
    parser.add_argument("wanted", metavar="PID|NAME", nargs="*", help=text)
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, metavar="S", help=f"from the first look to the last ({SECONDS:.0f})"
    )
    add_hosts(parser)
    add_launcher(parser, text="by what hosts are reached")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="make this folder, and write stacks and findings there")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON on stdout")
    parser.set_defaults(run=inspect_job)


def inspect_job(arguments: argparse.Namespace) -> int:
    """Look, say what is seen, and keep it where that is wanted."""
    if not 0 < arguments.seconds <= LONGEST_S:
        raise ScenarioError(f"lockstep inspect: --seconds {arguments.seconds:g}: give more than 0 and at most {LONGEST_S:g}")
    pids, name = _wanted(arguments.wanted)
    options = HostOptions.of(arguments)
    if options.named and pids:
        raise ScenarioError("lockstep inspect: a process is one host's: with --hosts give a word of the command line")
    if arguments.keep is not None and arguments.keep.exists():
        raise ScenarioError(f"lockstep inspect: --keep {arguments.keep}: it is there already; name a new folder")
    told = _on_hosts(options, name, arguments.seconds) if options.named else [look_here(pids, name, arguments.seconds)]
    try:
        seen = whole(told)
    except ValueError as error:
        raise ScenarioError(f"lockstep inspect: {error}") from error
    found = inspect(seen)
    if arguments.keep is not None:
        _keep(arguments.keep, seen, found)
    _say(found)
    if arguments.json:
        print(json.dumps(_json(found)))
    return 1 if found.hangs else 0


def _on_hosts(options: HostOptions, name: str, seconds: float) -> list[Answer]:
    """What each of the hosts sees; those that say nothing, with the reason."""
    hosts = options.load()
    maps = [alone(host, hosts) for host in hosts.every]
    told = ask_hosts(find(options.launcher), maps, question(name, seconds))
    return [one.answer or Answer(one.host, one.error) for one in told]


def _wanted(words: list[str]) -> tuple[list[int], str]:
    """Processes by their numbers, or a name."""
    wrong = next((word for word in words if not word.strip() or re.fullmatch(r"-[\d.]*", word.strip())), None)
    if wrong is not None:
        raise ScenarioError(
            f"lockstep inspect: {wrong!r}: give a process by its number, or a word of the job's command line"
        )
    numbers = [word for word in words if word.isascii() and word.isdecimal()]
    if len(numbers) == len(words):
        if any(len(word) > 9 for word in numbers):
            raise ScenarioError(f"lockstep inspect: {max(numbers, key=len)}: no process has such a number")
        return [int(word) for word in numbers], ""
    if len(words) > 1:
        raise ScenarioError("lockstep inspect: give processes by their numbers, or one word of the job's command line")
    return [], words[0]


def _json(found: Inspection) -> dict[str, Any]:
    return {**asdict(found), "hangs": found.hangs}


def _say(found: Inspection) -> None:
    """For people, on stderr: the finding, every process, and what is not known."""
    print(f"{found.word} (not proved): {found.text}", file=sys.stderr)
    for line in found.lines:
        print(f"  {line}", file=sys.stderr)
    for also in found.also:
        print(f"  also: {also}", file=sys.stderr)
    for limit in found.limits:
        print(f"  not known: {limit}", file=sys.stderr)


def _keep(folder: Path, seen: Look, found: Inspection) -> None:
    """The findings, and the stacks of all as they were last seen. Raises ScenarioError where nothing can be written."""
    with written("--keep", folder):
        folder.mkdir(parents=True, mode=0o700)  # stacks and command lines are their user's alone, as those of a run
        (folder / "stacks").mkdir(mode=0o700)
        _write(folder / "inspection.json", json.dumps(_json(found), indent=1) + "\n")
        for one in seen.seen:
            name = f"rank-{one.rank}" if one.rank is not None else f"process-{one.host}-{one.pid}"
            _write(folder / "stacks" / f"{name}.txt", one.stack or f"no stack: {one.error}\n")
            if one.flight:
                _write(folder / f"flight-recorder-{name}.json", json.dumps(one.flight) + "\n")
    print(f"kept in {command_line([folder])}", file=sys.stderr)


def _write(file: Path, text: str) -> None:
    with open(file, "w", encoding="utf-8", errors="replace", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
        out.write(text)
