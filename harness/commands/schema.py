"""`lockstep schema`: the JSON Schema of scenario files, for editors."""

from __future__ import annotations

import argparse
import json

from lockstep.harness.commands import Subparsers
from lockstep.harness.scenario.frame import DEFAULT_ENGINE
from lockstep.harness.scenario.schema import json_schema


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("schema")
    parser.add_argument("--engine", default=DEFAULT_ENGINE, help="the engine whose sections to include (%(default)s)")
    parser.set_defaults(run=schema)


def schema(arguments: argparse.Namespace) -> int:
    """Print it on stdout."""
    print(json.dumps(json_schema(arguments.engine), indent=2))
    return 0
