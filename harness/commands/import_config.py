"""`lockstep import`: a scenario out of an engine's own config, or out of the command line that starts its server."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lockstep.harness.commands import Subparsers
from lockstep.harness.commands.memory import short_of_memory
from lockstep.harness.commands.selection import overrides
from lockstep.harness.program_name import program_name
from lockstep.harness.report.destination import written
from lockstep.harness.scenario.config_file import Merged, given_path, under
from lockstep.harness.scenario.document import Document, dotted
from lockstep.harness.scenario.engine import find_engine
from lockstep.harness.scenario.errors import FileErrors, Problem, ScenarioError
from lockstep.harness.scenario.frame import DEFAULT_ENGINE
from lockstep.harness.scenario.imported import ForeignConfig, Imported
from lockstep.harness.scenario.load import cases_of
from lockstep.harness.scenario.matrix import substitute
from lockstep.harness.shell import command_line


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "import", epilog="What was left out, and why, is a comment in the scenario and a line on stderr each."
    )
    parser.add_argument("config", nargs="+", metavar="FILE | -- COMMAND...", help="a config, or a server's command line")
    parser.add_argument("--from", dest="product", default="", metavar="PRODUCT", help="whose it is (told by its keys)")
    parser.add_argument(
        "--set", dest="values", action="append", default=[], metavar="KEY=VALUE", help="a key of the scenario"
    )
    parser.add_argument("--name", default="", metavar="NAME", help="of the scenario (default: as the file)")
    parser.add_argument("--scale", type=int, metavar="N", help="divide lengths in tokens by N (default: as a CPU needs)")
    parser.add_argument("--ignore-unknown", action="store_true", help="leave keys out that nobody knows")
    parser.add_argument("--engine", default=DEFAULT_ENGINE, help="the engine that is to stand for it (%(default)s)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write the scenario there (default: stdout)")
    parser.set_defaults(run=import_config)


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What `lockstep import` was told."""

    config: ForeignConfig
    values: tuple[str, ...]
    name: str
    engine: str
    output: Path | None

    @staticmethod
    def of(arguments: argparse.Namespace) -> ImportOptions:
        """As the command line says. Raises ScenarioError for what makes no sense."""
        words = [word for word in arguments.config if word != "--"]
        if arguments.scale is not None and arguments.scale < 1:
            raise ScenarioError(f"--scale {arguments.scale}: give a whole number from 1 on")
        if arguments.output is not None and arguments.output.exists():
            raise ScenarioError(f"--output {arguments.output}: there is such a file; remove it, or give another name")
        file = Path(words[0]) if len(words) == 1 else None
        config = ForeignConfig(
            file, () if file else tuple(words), arguments.product, arguments.ignore_unknown, arguments.scale
        )
        return ImportOptions(config, tuple(arguments.values), arguments.name, arguments.engine, arguments.output)


def import_config(arguments: argparse.Namespace) -> int:
    """Write a scenario that loads, or say what is wrong and what is missing."""
    options = ImportOptions.of(arguments)
    imported = find_engine(options.engine).imported(options.config)
    given = overrides(options.values)
    wrong = [*imported.problems, *_missing(options, imported, given)]
    if wrong:
        raise FileErrors(wrong)
    data = _scenario(options, imported)
    document = Document(_said(options), data)
    cases = cases_of(document, Merged(data, imported, document), given)
    text = _text(options, imported, substitute(data, given))
    for note in imported.notes:
        print(note, file=sys.stderr)
    for line in short_of_memory(cases):
        print(line, file=sys.stderr)
    if options.output is None:
        print(text, end="")
        return 0
    with written("--output", options.output):
        options.output.write_text(text, "utf-8")
    print(
        f"{options.output}: `{command_line(['lockstep', 'show', options.output])}` says what its ranks get", file=sys.stderr
    )
    return 0


def _missing(options: ImportOptions, imported: Imported, given: dict[str, object]) -> list[Problem]:
    """What the config does not say and no option does."""
    said = {key.split(".")[0] for key in given}
    found: list[Problem] = []
    for missing in imported.missing:
        if missing.path[0] not in said:
            flag = f"--set {given_path(missing.path)}={missing.example}"
            advice = f"give {flag}, with your number, or one for each rank: [{missing.example}, ...]"
            if missing.path[0] != imported.missing[-1].path[0]:
                advice = f"give {flag}, with your number"
            found.append(Problem(_said(options), 0, 0, dotted(missing.path), missing.what, advice))
    return found


def _scenario(options: ImportOptions, imported: Imported) -> dict[str, Any]:
    """The document, in the order in which people write one."""
    name = options.name or re.sub(r"[^a-z0-9._-]+", "-", _called(options, imported).lower()).strip("-._") or "imported"
    head: dict[str, Any] = {
        "name": name,
        "source": _said(options),
        "summary": f"A config of {imported.product}, with as much of it as is modelled.",
    }
    if options.engine != DEFAULT_ENGINE:
        head["engine"] = options.engine
    return under(Imported("", head), {**imported.sections, "expect": [{"outcome": "success"}]})


def _called(options: ImportOptions, imported: Imported) -> str:
    """As the file; what a command line begins with may be Python, or what launches it."""
    return options.config.file.stem if options.config.file else imported.product


def _said(options: ImportOptions) -> str:
    """The config as it was given, without what looks like a secret."""
    return str(options.config.file) if options.config.file else program_name(options.config.words)


def _text(options: ImportOptions, imported: Imported, data: dict[str, Any]) -> str:
    lines = [f"# `lockstep import` of {_said(options)}", *(f"# {note}" for note in imported.notes)]
    head = "".join(f"{' '.join(line.split())}\n" for line in lines)
    return head + yaml.safe_dump(data, sort_keys=False, width=100, allow_unicode=True, default_flow_style=None)
