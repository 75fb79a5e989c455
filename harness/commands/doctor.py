"""`lockstep doctor`: what this machine lacks before ranks can be judged on it."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict

from harness.commands import Subparsers
from harness.launch.probe import checks


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("doctor", help="check this machine: MPI launcher, torch, shared memory, stacks")
    parser.add_argument("--json", action="store_true", help="print the checks as JSON on stdout")
    parser.set_defaults(run=doctor)


def doctor(arguments: argparse.Namespace) -> int:
    """Print every check; 0 when all are well, else 3."""
    found = checks()
    if arguments.json:
        print(json.dumps([asdict(check) for check in found], indent=2))
    else:
        for check in found:
            mark = "ok  " if check.ok else "FAIL"
            print(f"{mark} {check.name:10} {check.found}", file=sys.stderr)
            if not check.ok and check.advice:
                print(f"     {'':10} {check.advice}", file=sys.stderr)
    return 0 if all(check.ok for check in found) else 3
