"""`lockstep compare OLD NEW`: what is worse than it was. Exit code 0 nothing, 1 something, 2 bad input."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from lockstep.harness.campaign.compare import Comparison, Tolerance, compare
from lockstep.harness.campaign.past import read_past
from lockstep.harness.commands import Subparsers
from lockstep.harness.report import markdown
from lockstep.harness.report.markdown import cell
from lockstep.harness.report.store import ROOT
from lockstep.harness.report.width import columns, entry, wrapped
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.terminal import clean

EXIT_SAME, EXIT_WORSE = 0, 1
INDENT = 6  # of what is said below a case


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("compare")
    parser.add_argument("old", metavar="OLD", help="a run id, the folder of a run, or a baseline file")
    parser.add_argument("new", metavar="NEW", help="likewise")
    parser.add_argument("--reports", type=Path, default=ROOT, metavar="DIR", help=f"where runs are kept ({ROOT})")
    default = Tolerance()
    parser.add_argument(
        "--tolerance",
        type=float,
        default=default.ratio,
        metavar="RATIO",
        help=f"slower: more than so many times as long ({default.ratio})",
    )
    parser.add_argument(
        "--floor",
        type=float,
        default=default.floor_s,
        metavar="SECONDS",
        help=f"and by more than so many seconds ({default.floor_s:g})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--format", choices=("text", "md"), default="text")
    parser.set_defaults(run=compare_runs)


def compare_runs(arguments: argparse.Namespace) -> int:
    """Print the comparison on stdout."""
    if arguments.tolerance < 1.0 or arguments.floor < 0.0:
        raise ScenarioError("--tolerance is a ratio from 1 on, --floor a number of seconds from 0 on")
    old, new = (read_past(name, arguments.reports) for name in (arguments.old, arguments.new))
    found = compare(old, new, Tolerance(ratio=arguments.tolerance, floor_s=arguments.floor))
    if not found.common:
        raise ScenarioError(f"{old.name} and {new.name} have no case in common")
    if arguments.json:
        print(json.dumps(_json(found), indent=1))
    else:
        print(_markdown(found) if arguments.format == "md" else _text(found), end="")
    return EXIT_WORSE if found.worse else EXIT_SAME


def _json(found: Comparison) -> dict[str, object]:
    return {
        "old": found.old,
        "new": found.new,
        "common": found.common,
        "worse": found.worse,
        "changes": [change.to_json() for change in found.changes],
        "notes": list(found.notes),
    }


def _text(found: Comparison) -> str:
    return "".join(f"{row}\n" for row in rows(found, columns(sys.stdout)))


def rows(found: Comparison, width: int) -> Iterator[str]:
    """Each change and note in at most `width` cells; only a word without room, as the name of a case, sticks out."""
    for change in found.changes:
        lead = f"{'WORSE' if change.worse else '':5} {change.kind:17} "
        yield from entry(lead, clean(change.case), clean(change.text), width, INDENT, ": ")
    for note in found.notes:
        yield from wrapped(f"note: {clean(note)}", width, 0, INDENT)
    yield from wrapped(_count(found), width)


def _markdown(found: Comparison) -> str:
    """Below the limit of a CI server's summary, as a run's own: what does not fit is left out row by row, and counted."""
    head = f"# {cell(found.old)} and {cell(found.new)}\n\n{_count(found)}\n"
    rows = [f"| {'**worse**' if c.worse else ''} | {c.kind} | {cell(c.case)} | {cell(c.text)} |\n" for c in found.changes]
    room = markdown.LIMIT_BYTES - markdown.size(head) - 4 * markdown.NOTE_BYTES
    notes, said = markdown.fit((f"\n{cell(note)}\n" for note in found.notes), room // 4)
    kept, count = markdown.fit(rows, room - markdown.size(notes))
    table = "\n| | what | case | how |\n|---|---|---|---|\n" + kept if rows else ""
    cut = [
        f"{left} more {what}" for left, what in ((len(rows) - count, "changes"), (len(found.notes) - said, "notes")) if left
    ]
    return head + table + notes + (f"\nCut here: {', '.join(cut)}. `--json` has them all.\n" if cut else "")


def _count(found: Comparison) -> str:
    return f"{found.common} cases in both: {found.worse} changes for the worse, {len(found.changes) - found.worse} others."
