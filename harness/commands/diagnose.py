"""`lockstep diagnose DUMPS...`: Flight Recorder dumps that were made elsewhere.

Exit code 1 when they point to a hang or ranks stand in an operation that has not ended, 0 when neither is so, 2 when they
cannot be read.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from lockstep.harness.commands import Subparsers
from lockstep.harness.judge.flight import diagnose as judge
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.watchdog.dump_files import read_all


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("diagnose")
    parser.add_argument("dumps", nargs="+", type=Path, metavar="DUMPS", help="files, or folders of them; one a rank")
    parser.add_argument("--json", action="store_true", help="print the diagnosis as JSON on stdout")
    parser.set_defaults(run=diagnose)


def diagnose(arguments: argparse.Namespace) -> int:
    """Read all dumps, join their groups, say what they tell and what not."""
    try:
        found = judge(read_all(arguments.dumps))
    except ValueError as error:
        raise ScenarioError(f"lockstep diagnose: {error}") from error
    if arguments.json:
        print(json.dumps({**asdict(found), "hangs": found.hangs, "found": found.word}))
    print(f"{found.word} (not proved): {found.text}", file=sys.stderr)
    first = 1 if found.mismatches and not found.mismatches[0].ended else 0  # which the text has told
    for mismatch in found.mismatches[first:]:
        print(f"  also: {mismatch.text}" + ("; nobody stands in it any more" if mismatch.ended else ""), file=sys.stderr)
    for limit in found.limits:
        print(f"  not known: {limit}", file=sys.stderr)
    return 1 if found.hangs else 0
