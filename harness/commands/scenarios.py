"""`lockstep list` and `lockstep show`: what there is to run, and what one scenario means. Nothing is launched."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import yaml

from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.memory import short_of_memory
from lockstep.harness.commands.selection import Selection, add_selection, overrides
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine
from lockstep.harness.scenario.imported import Note
from lockstep.harness.scenario.load import given, notes

# Of a file, what `show` says in other words, or what is no difference.
TOLD_APART = ("name", "source", "summary", "reports", "mechanism_class", "tags", "matrix", "expect", "faults")


def add(commands: Subparsers) -> None:
    """Declare both commands."""
    listing = commands.add_parser("list")
    add_selection(listing, nargs="*")
    listing.add_argument("--json", action="store_true", help="one JSON object a case")
    listing.set_defaults(run=list_cases)
    show = commands.add_parser("show")
    add_selection(show)
    form = show.add_mutually_exclusive_group()
    form.add_argument("--full", action="store_true", help="with all defaults, as the ranks get them")
    form.add_argument("--json", action="store_true", help="the same, one JSON object a case")
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
    """Of each case what it is, in what it differs from the defaults, and what is expected; `--full`: all that ranks get."""
    selection = Selection.of(arguments)
    for number, case in enumerate(selection.cases()):
        if arguments.json:
            print(json.dumps(case.to_json()))
        elif arguments.full:
            raw = json.loads(json.dumps(case.to_json()))  # tuples as lists
            raw["expect"] = {key: value for key, value in raw["expect"].items() if value is not None}
            print("---")
            print(yaml.safe_dump(raw, sort_keys=False, width=120), end="")
        else:
            values = overrides(selection.values)
            print("\n" * bool(number) + _summary(case, given(case, values), notes(case, values)))
            for line in short_of_memory([case]):
                print(line, file=sys.stderr)
    return 0


def _summary(case: Case, said: Mapping[str, Any], imported: Sequence[Note]) -> str:
    own = {key: value for key, value in said.items() if key not in TOLD_APART}
    expected = {key: value for key, value in asdict(case.expect).items() if value is not None}
    rows = [f"{case.id}: {case.ranks} rank{'s' * (case.ranks > 1)}", *textwrap.wrap(case.summary, 76)]
    rows += [f"source: {case.source}", f"file: {case.path}"]
    rows += [f"{key}: {_flow(value)}" for key, value in own.items()]
    rows += [f"fault: {_fault(fault)}" for fault in case.spec.get("faults", ())]
    rows += [f"{name}: {text}" for name, text in find_engine(case.engine).facts(case.spec).items()]
    rows += [str(note) for note in imported]
    rows += [f"expected: {_flow(expected)}", *([f"note: {case.note}"] if case.note else [])]
    return rows[0] + "".join(f"\n  {row}" for row in rows[1:])


def _flow(value: object) -> str:
    """In one line, as it may stand in a file."""
    text = yaml.safe_dump(json.loads(json.dumps(value)), default_flow_style=True, sort_keys=False, width=10**6)
    return text.removesuffix("\n").removesuffix("\n...")


def _fault(fault: Mapping[str, Any]) -> str:
    """What happens to which rank, and where."""
    words = [f"{fault['kind']} of rank {fault['rank']} in {fault['phase']}"]
    words += [f"at {fault['shape']}"] if fault.get("shape") else []
    words += [f"for {fault['seconds']:g} s"] if fault.get("seconds") else []
    words += [f"in launch {fault['launch']}"] if fault.get("launch") else []
    return " ".join(words)
