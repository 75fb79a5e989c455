"""`lockstep catalogue`: the scenarios by mechanism class as a Markdown page."""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml
from pydantic import TypeAdapter, ValidationError

from lockstep.harness.commands import Subparsers
from lockstep.harness.report.catalogue import NotModelled, render
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.scenario.input_file import read_text
from lockstep.harness.scenario.load import load_all

NOT_MODELLED = Path("docs/not-modelled.yaml")


def add(commands: Subparsers) -> None:
    """Declare the command."""
    parser = commands.add_parser("catalogue")
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help="default: all below scenarios/")
    parser.add_argument(
        "--not-modelled",
        type=Path,
        default=NOT_MODELLED,
        metavar="FILE",
        help=f"reports without a scenario ({NOT_MODELLED})",
    )
    parser.set_defaults(run=catalogue)


def catalogue(arguments: argparse.Namespace) -> int:
    """Print it on stdout."""
    print(render(load_all(arguments.scenarios or ["scenarios"]), not_modelled(arguments.not_modelled)), end="")
    return 0


def not_modelled(path: Path) -> list[NotModelled]:
    """The reports without a scenario, with the reason for each. Raises ScenarioError for a file that does not hold such."""
    if not path.exists():
        return []
    try:
        return TypeAdapter(list[NotModelled]).validate_python(yaml.safe_load(read_text(path)))
    except (yaml.YAMLError, ValidationError) as error:
        raise ScenarioError(f"{path}: not a list of report, mechanism_class, source and reason: {error}") from error
