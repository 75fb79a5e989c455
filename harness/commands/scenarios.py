"""`lockstep list` and `lockstep show`: what there is to run, and what one scenario means. Nothing is launched."""

from __future__ import annotations

import argparse
import json

import yaml

from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.selection import Selection, add_selection


def add(commands: Subparsers) -> None:
    """Declare both commands."""
    listing = commands.add_parser("list")
    add_selection(listing, nargs="*")
    listing.add_argument("--json", action="store_true", help="one JSON object a case")
    listing.set_defaults(run=list_cases)
    show = commands.add_parser("show")
    add_selection(show)
    show.add_argument("--json", action="store_true", help="one JSON object a case")
    show.set_defaults(run=show_cases)


def list_cases(arguments: argparse.Namespace) -> int:
    """One line a case: id, ranks, expected outcome."""
    for case in Selection.of(arguments).cases():
        expected = case.expect.outcome + (f" ({case.expect.cause})" if case.expect.cause else "")
        if arguments.json:
            print(json.dumps({"id": case.id, "ranks": case.ranks, "path": case.path, "expected": expected}))
        else:
            print(f"{case.id:80} {case.ranks:3} ranks  {expected}")
    return 0


def show_cases(arguments: argparse.Namespace) -> int:
    """Everything about each case: source, what the ranks get, limits, expectation."""
    for case in Selection.of(arguments).cases():
        raw = json.loads(json.dumps(case.to_json()))  # tuples as lists
        if arguments.json:
            print(json.dumps(raw))
        else:
            raw["expect"] = {key: value for key, value in raw["expect"].items() if value is not None}
            print("---")
            print(yaml.safe_dump(raw, sort_keys=False, width=120), end="")
    return 0
