"""`lockstep history`: how often each scenario or watched program failed over all runs, by engine commit and versions."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from rich.cells import cell_len, set_cell_size

from lockstep.harness.commands import Subparsers
from lockstep.harness.rates import percent
from lockstep.harness.report.destination import no_root
from lockstep.harness.report.history import history_frame, rates, update
from lockstep.harness.report.pages.make import make_history_page
from lockstep.harness.report.store import ROOT
from lockstep.harness.report.width import columns, middle_cut, wrapped
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.terminal import clean

NAME, PROGRAM = "scenario", "program"
DAYS = ("since", "until")
FIGURES = ("failed", "95 % interval", "hangs", "last failed", *DAYS)  # the first matter most
MORE = {PROGRAM: PROGRAM, "engine_commit": "commit", "libraries": "libraries", "device": "device"}
ROOM = 30  # cells of a name, for which a column is left out
GAP = "  "


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("history")
    parser.add_argument("--scenario", action="append", default=[], metavar="NAME", help="only this scenario")
    parser.add_argument("--rebuild", action="store_true", help="make the index anew from the folders of the runs")
    parser.add_argument("--reports", type=Path, default=ROOT, metavar="DIR", help=f"where runs are kept ({ROOT})")
    parser.add_argument("--json", action="store_true", help="print one JSON object a row")
    parser.set_defaults(run=history)


def history(arguments: argparse.Namespace) -> int:
    """Bring the index up to date and print the rates on stdout."""
    if not arguments.reports.is_dir():
        raise ScenarioError(no_root(arguments.reports))
    frame = history_frame(update(arguments.reports, arguments.rebuild))
    make_history_page(arguments.reports, frame)
    unknown = sorted({*arguments.scenario} - {*frame.scenario})
    if unknown:
        raise ScenarioError(f"no run has a scenario {', '.join(unknown)}; there are {', '.join(sorted({*frame.scenario}))}")
    if arguments.scenario:
        frame = frame[frame.scenario.isin(arguments.scenario)]
    found = rates(frame)
    if arguments.json:
        print(found.to_json(orient="records", lines=True), end="")
    else:
        print("".join(f"{row}\n" for row in rows(found, columns(sys.stdout))), end="")
    return 0


def rows(found: pd.DataFrame, width: int) -> Iterator[str]:
    """Of each rate a row of `width` cells, and what has no room in it below; versions and devices only where they differ."""
    several = [name for name in MORE if found[name].nunique() > 1]
    order = found.sort_values(["scenario", "program", "first"], kind="stable")
    told = [(_plain(row[NAME]), _figures(row), row) for row in order.to_dict("records")]
    heads, room = _heads([(name, figures) for name, figures, _ in told], width)
    if told:
        yield _row(NAME, dict(zip(FIGURES, FIGURES, strict=True)), heads, room)
        yield "-" * (room + sum(len(GAP) + wide for wide in heads.values()))
    for name, figures, row in told:
        yield _row(middle_cut(name, room), figures, heads, room)
        for one in several:
            if one == PROGRAM and row[one]:
                yield middle_cut(f"  {_plain(row[one])}", width)
        yield from wrapped(", ".join(_rest(row, figures, heads, several)), width, 2)
    for one in (one for one in MORE if one not in several and len(found) and (one != PROGRAM or found[one].iloc[0])):
        yield from wrapped(f"{MORE[one]}: {_plain(found[one].iloc[0] or 'not known')}", width, 0, 2)


def _plain(text: object) -> str:
    """On one row, without what acts on a terminal."""
    return " ".join(clean(str(text)).split())


def _figures(row: Any) -> dict[str, str]:
    interval = f"{percent(row['low'])} to {percent(row['high'])}" if row["launches"] else "-"
    cells = (f"{row['failed']}/{row['launches']}", interval, str(row["hangs"]), row["last_failed"] or "-")
    return dict(zip(FIGURES, (*cells, row["first"], row["last"]), strict=True))


def _heads(told: list[tuple[str, dict[str, str]]], width: int) -> tuple[dict[str, int], int]:
    """The columns for which there is room beside the names, with their widths, and the width of the names."""
    longest = max([cell_len(NAME), *(cell_len(name) for name, _ in told)])
    room, heads = width, dict[str, int]()
    for head in FIGURES:
        wide = max([len(head), *(len(figures[head]) for _, figures in told)])
        if room - wide - len(GAP) < min(longest, ROOM):
            break
        room, heads[head] = room - wide - len(GAP), wide
    if "until" not in heads and "since" in heads:  # one of the two days alone says little
        room += heads.pop("since") + len(GAP)
    return heads, min(room, longest)


def _row(name: str, figures: dict[str, str], heads: dict[str, int], room: int) -> str:
    return GAP.join((set_cell_size(name, room), *(f"{figures[head]:{wide}}" for head, wide in heads.items()))).rstrip()


def _rest(row: Any, figures: dict[str, str], heads: dict[str, int], several: list[str]) -> Iterator[str]:
    """What is said below a row."""
    for head in FIGURES:
        if head not in heads and head not in DAYS and figures[head] != "-":
            yield f"{head} {figures[head]}"
    if "until" not in heads:
        yield f"on {row['first']}" if row["first"] == row["last"] else f"from {row['first']} to {row['last']}"
    if row["not_judged"]:
        yield f"{row['not_judged']} not judged"
    for one in several:
        if one != PROGRAM:
            text = _plain(row[one] or "not known")
            yield f"{MORE[one]} {text[:12] if one == 'engine_commit' else text}"
