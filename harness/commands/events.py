"""`lockstep events FILE`: a rank's event log as text or JSON lines."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from lockstep.harness.commands import Subparsers
from lockstep.harness.trace.log import describe


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("events", help="print the event log of a rank (rank-N.events of a case)")
    parser.add_argument("log", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=events)


def events(arguments: argparse.Namespace) -> int:
    """Print the events, oldest first."""
    for event in describe(arguments.log):
        if arguments.json:
            print(json.dumps(event))
        else:
            time_s, kind = event.pop("time_s"), event.pop("kind")
            rest = " ".join(f"{key}={value}" for key, value in event.items() if value not in ("", None, -1))
            print(f"{time_s:12.6f} {kind:10} {rest}")
    return 0
