"""`lockstep events FILE`: a rank's event log as text or JSON lines."""

from __future__ import annotations

import argparse
import json
import struct
from collections.abc import Iterator
from pathlib import Path

from lockstep.harness.commands import Subparsers
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.trace.log import describe


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("events")
    parser.add_argument("log", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.set_defaults(run=events)


def events(arguments: argparse.Namespace) -> int:
    """Print the events, oldest first."""
    for event in _read(arguments.log):
        if arguments.json:
            print(json.dumps(event))
        else:
            time_s, kind = event.pop("time_s"), event.pop("kind")
            rest = " ".join(f"{key}={value}" for key, value in event.items() if value not in ("", None, -1))
            print(f"{time_s:12.6f} {kind:10} {rest}")
    return 0


def _read(log: Path) -> Iterator[dict[str, object]]:
    """The events of a log. Raises ScenarioError for what is none, or holds what no recorder writes."""
    if not log.is_file():
        why = "not a file" if log.exists() else "no such file"
        raise ScenarioError(f"lockstep events: {log}: {why}; give the rank-N.events of a case")
    try:
        yield from describe(log)
    except (ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        raise ScenarioError(f"lockstep events: {log}: no event log that can be read: {error}") from error
