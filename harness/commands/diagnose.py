"""`lockstep diagnose DUMPS...`: Flight Recorder dumps that were made elsewhere.

Exit code 1 when they point to a hang, 0 when they do not, 2 when they cannot be read.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lockstep.harness.commands import Subparsers
from lockstep.harness.judge.flight import diagnose as judge
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.watchdog.dump_decoding import read_json, read_pickle

LONGEST = 256 << 20  # bytes of a dump; PyTorch's own are a few MiB


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("diagnose", help="judge PyTorch Flight Recorder dumps, JSON or pickle, of all ranks")
    parser.add_argument("dumps", nargs="+", type=Path, metavar="DUMPS", help="files, or folders of them; one a rank")
    parser.add_argument("--json", action="store_true", help="print the diagnosis as JSON on stdout")
    parser.set_defaults(run=diagnose)


def diagnose(arguments: argparse.Namespace) -> int:
    """Read all dumps, join their groups, say what they tell and what not."""
    try:
        found = judge(_read_all(arguments.dumps))
    except ValueError as error:
        raise ScenarioError(f"lockstep diagnose: {error}") from error
    if arguments.json:
        print(json.dumps({**asdict(found), "hangs": found.hangs}))
    print(f"{'hang' if found.hangs else 'nothing found'} (not proved): {found.text}", file=sys.stderr)
    for mismatch in found.mismatches[1:]:
        print(f"  also: {mismatch.text}", file=sys.stderr)
    for limit in found.limits:
        print(f"  not known: {limit}", file=sys.stderr)
    return 1 if found.hangs else 0


def _read_all(paths: list[Path]) -> dict[int, dict[str, Any]]:
    """The dump of each rank. Raises ValueError with the file that cannot be one."""
    files = [file for path in paths for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    found: dict[int, tuple[Path, dict[str, Any]]] = {}
    for file in files:
        dump = _read(file)
        rank = rank_of(file, dump)
        if rank is None:
            raise ValueError(f"{file}: whose dump is it? name it so that it ends with the rank, as PyTorch does")
        if rank in found:
            raise ValueError(f"{file}: {found[rank][0]} is a dump of rank {rank} too; give one of them")
        found[rank] = (file, dump)
    return {rank: dump for rank, (_, dump) in found.items()}


def _read(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > LONGEST:
            raise ValueError(f"{file}: {file.stat().st_size} bytes are no dump of a Flight Recorder")
        raw = file.read_bytes()
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from error
    # A pickle is read as plain data only: what would call anything is refused.
    dump = read_json(raw) or read_pickle(raw)
    if "entries" not in dump:
        raise ValueError(f"{file}: neither JSON nor a plain pickle of a Flight Recorder")
    return dump


def rank_of(file: Path, dump: dict[str, Any]) -> int | None:
    """The rank that a dump says it is of, or its file's name: `nccl_trace_rank_3`, `flight-recorder-rank-3.json`."""
    if isinstance(dump.get("rank"), int):
        return int(dump["rank"])
    number = re.search(r"(\d+)$", file.name.partition(".")[0])
    return int(number[1]) if number else None
