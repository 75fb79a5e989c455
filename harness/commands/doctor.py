"""`lockstep doctor`: what this machine, or each of the hosts of a run, lacks before ranks can be judged there."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.hosts import HostOptions, add_hosts, add_launcher
from lockstep.harness.commands.site import alone
from lockstep.harness.launch.answer import Answer
from lockstep.harness.launch.check import Check
from lockstep.harness.launch.discovery import find
from lockstep.harness.launch.probe import checks
from lockstep.harness.launch.survey import Told, try_hosts
from lockstep.harness.launch.trials import trials
from lockstep.harness.placement.hosts import Host
from lockstep.harness.terminal import clean

WIDTH = 160  # where the output is no terminal


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("doctor")
    add_hosts(parser)
    add_launcher(parser, text="what starts ranks, and reaches hosts")
    parser.add_argument("--json", action="store_true", help="print the checks as JSON on stdout")
    parser.set_defaults(run=doctor)


def doctor(arguments: argparse.Namespace) -> int:
    """Print every check and trial; 0 when all are well, else 3."""
    options = HostOptions.of(arguments)
    if options.named:
        return _hosts(options, arguments.json)
    found = [*checks(), *trials(options.launcher)]
    if arguments.json:
        print(json.dumps([asdict(check) for check in found], indent=2))
    else:
        _show(found)
    return 0 if all(check.ok for check in found) else 3


def _hosts(options: HostOptions, as_json: bool) -> int:
    """The same of each host, as its launcher starts them there."""
    hosts = options.load()
    told = try_hosts(find(options.launcher), [alone(host, hosts) for host in hosts.every])
    if as_json:
        print(json.dumps([_json(host, one) for host, one in zip(hosts.every, told, strict=True)], indent=2))
    else:
        _table(hosts.every, told)
    return 0 if all(map(_well, told)) else 3


def _well(told: Told[Answer]) -> bool:
    return told.answer is not None and all(check.ok for check in told.answer.checks)


def _json(host: Host, told: Told[Answer]) -> dict[str, Any]:
    answer = told.answer
    return {
        "host": host.name,
        "slots": host.slots,
        "error": told.error,
        "facts": answer.facts if answer else None,
        "checks": [asdict(check) for check in answer.checks] if answer else [],
    }


def _table(hosts: Sequence[Host], told: Sequence[Told[Answer]]) -> None:
    """A line a host, and below what is wrong with whom."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=True, highlight=False, width=WIDTH, color_system=None)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for head in ("host", "", "slots", "cores", "memory", "GPUs", "python", "torch", "mpi4py", "lockstep"):
        table.add_column(head, overflow="fold")
    for host, one in zip(hosts, told, strict=True):
        mark = "ok" if _well(one) else "FAIL"
        table.add_row(*(Text(clean(str(word))) for word in (host.name, mark, host.slots, *_facts(one))))
    console.print(table)
    for host, one in zip(hosts, told, strict=True):
        wrong = [check for check in one.answer.checks if not check.ok] if one.answer else []
        for line in [one.error] * bool(one.error) + [f"{check.name}: {check.found}; {check.advice}" for check in wrong]:
            print(f"{host.name}: {line}", file=sys.stderr)


def _facts(told: Told[Answer]) -> tuple[object, ...]:
    if told.answer is None:
        return ("-",) * 7
    facts = told.answer.facts
    libraries = facts["libraries"]
    names = sorted({gpu["name"] for gpu in facts["gpus"]})
    gpus = f"{len(facts['gpus'])} x {', '.join(names)}" if names else "none"
    usable = "" if len(facts["visible"]) == len(facts["gpus"]) else f" ({len(facts['visible'])} usable)"
    version = f"{facts['lockstep']} {(facts['commit'] or '')[:12]}".strip()
    memory = f"{facts['memory_bytes'] >> 30} GiB"
    seen = [libraries.get(name, "-") for name in ("torch", "mpi4py")]
    return (facts["cores"], memory, gpus + usable, facts["python"], *seen, version)


def _show(found: Sequence[Check]) -> None:
    for check in found:
        mark = "--" if check.absent else "ok" if check.ok else "FAIL"
        print(f"{mark:4} {check.name:15} {check.found}", file=sys.stderr)
        if not check.ok and check.advice:
            print(f"     {'':15} {check.advice}", file=sys.stderr)
