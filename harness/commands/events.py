"""`lockstep events FILE`: a rank's event log; `lockstep events RUN CASE`: all ranks merged, on one clock."""

from __future__ import annotations

import argparse
import json
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lockstep.harness.commands import Subparsers
from lockstep.harness.report.alignment import logs_in, merged
from lockstep.harness.report.destination import written
from lockstep.harness.report.find_case import find_case, is_case, open_run
from lockstep.harness.report.store import ROOT
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.trace.log import describe

OPERATION = ("name", "op", "seq")  # told together, in words


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("events", usage="lockstep events [--json] FILE | CASE_FOLDER | RUN CASE")
    parser.add_argument("names", nargs="+", metavar="NAME", help="rank-N.events of a case; or its folder, or RUN CASE")
    parser.add_argument("--reports", type=Path, default=ROOT, metavar="DIR", help=f"where runs are kept ({ROOT})")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object a line")
    form.add_argument("--perfetto", type=Path, metavar="FILE", help="of a case: write a trace for ui.perfetto.dev instead")
    parser.set_defaults(run=events)


def events(arguments: argparse.Namespace) -> int:
    """Print the events, oldest first."""
    folder = _folder(arguments.names, arguments.reports)
    if arguments.perfetto is not None:
        return _write_trace(folder, arguments.perfetto)
    for event in _read(Path(arguments.names[0])) if folder is None else _all_ranks(folder):
        if arguments.json:
            print(json.dumps(event))
        elif folder is None:
            time_s, kind = event.pop("time_s"), event.pop("kind")
            what = _operation(event)
            rest = (f"{key}={value}" for key, value in event.items() if value not in ("", None, -1) and key not in OPERATION)
            print(f"{time_s:12.6f} {kind:10} {' '.join(filter(None, (what, *rest)))}")
        else:
            print(_line(event).rstrip())
    return 0


def _folder(names: list[str], root: Path) -> Path | None:
    """That of the case that is meant; None for the log of one rank."""
    if len(names) == 1:
        path = Path(names[0])
        return path if path.is_dir() and is_case(path.absolute()) else None
    if len(names) > 2:
        raise ScenarioError(f"lockstep events: {len(names)} names; give a file, or a run and one of its cases")
    store = open_run(names[0], root)
    return store.path / "cases" / find_case(store, names[1]).slug


def _all_ranks(folder: Path) -> Iterator[dict[str, Any]]:
    if not logs_in(folder):
        raise ScenarioError(f"lockstep events: {folder}: no event log (rank-N.events) of any rank lies here")
    return _checked(folder, lambda: merged(folder))


def _write_trace(folder: Path | None, file: Path) -> int:
    """0 when it is written."""
    from lockstep.harness.report.perfetto_trace import perfetto_trace  # here: it takes a while to import

    if folder is None:
        raise ScenarioError("lockstep events: --perfetto takes a case: its folder, or a run and one of its cases")
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise ScenarioError(f"--perfetto {file}: give a file, in a folder that is there")
    try:
        trace = perfetto_trace(folder)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        raise ScenarioError(f"lockstep events: {folder}: no case of which a trace can be made: {error}") from error
    with written("--perfetto", file):
        file.write_bytes(trace)
    return 0


def _line(event: Mapping[str, Any]) -> str:
    """Whose, when, what: what matters most first, so that 80 columns show it."""
    place = " ".join(filter(None, (event["phase"], event["shape"])))
    if event["op"] is None:
        what = " ".join(filter(None, (event["name"], event["text"])))
    else:
        peer = f" peer={event['peer']}" if event["peer"] is not None else ""
        site = f" at {event['site']}" if event["site"] else ""
        what = f"{_operation(event)}{peer}{site}"
    whole = f"{what}  [{place}]" if place else what
    comm = f"  {event['comm']}" if event["comm"] else ""
    return f"{event['time_s']:11.6f} r{event['rank']:<4} {event['kind']:9} {whole}{comm}"


def _operation(event: Mapping[str, Any]) -> str:
    """`mpi tp allgather #37`, as in the sentence of a verdict, so that a search for its words finds it."""
    number = None if event["seq"] is None else f"#{event['seq']}"
    return " ".join(filter(None, (event["name"], event["op"], number)))


def _read(log: Path) -> Iterator[dict[str, Any]]:
    """The events of a log. Raises ScenarioError for what is none, or holds what no recorder writes."""
    if not log.is_file():
        why = "not a regular file" if log.exists() else "no such file"
        raise ScenarioError(f"lockstep events: {log}: {why}; give the rank-N.events of a case, or a run and its case")
    return _checked(log, lambda: describe(log.resolve()))  # a link that somebody has named is followed


def _checked(place: Path, source: Callable[[], Iterable[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    try:
        yield from source()
    except OSError as error:
        raise ScenarioError(f"lockstep events: {error.filename or place}: {error.strerror}") from error
    except (ValueError, LookupError, TypeError, AttributeError, struct.error) as error:
        raise ScenarioError(f"lockstep events: {place}: no event log that can be read: {error}") from error
