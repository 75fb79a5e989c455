"""Which cases a command is about: scenarios, and the filters that narrow them down."""

from __future__ import annotations

import argparse

import yaml

from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.scenario.load import load_all


def add_selection(parser: argparse.ArgumentParser, nargs: str = "+") -> None:
    """Declare the arguments."""
    parser.add_argument(
        "scenarios",
        nargs=nargs,
        metavar="SCENARIO",
        help="a file, a folder, or the name of a scenario below scenarios/",
    )
    parser.add_argument("-k", dest="words", action="append", default=[], metavar="TEXT", help="cases whose id holds TEXT")
    parser.add_argument("--tag", action="append", default=[], metavar="TAG", help="cases of scenarios with this tag")
    parser.add_argument("--case", action="append", default=[], metavar="ID", help="the case with exactly this id")
    parser.add_argument(
        "--set",
        dest="values",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="set a dotted key of the scenario",
    )


def selected(arguments: argparse.Namespace) -> list[Case]:
    """The cases that are meant. Raises ScenarioError when there are none."""
    return chosen(arguments, loaded(arguments))


def loaded(arguments: argparse.Namespace) -> list[Case]:
    """All cases of the scenarios that are meant, whatever narrows them down."""
    return load_all(arguments.scenarios or ["scenarios"], overrides(arguments.values))


def chosen(arguments: argparse.Namespace, cases: list[Case]) -> list[Case]:
    """Those that the filters leave. Raises ScenarioError when there are none."""
    found = [
        case
        for case in cases
        if all(text in case.id for text in arguments.words)
        and (not arguments.tag or set(arguments.tag) & set(case.tags))
        and (not arguments.case or case.id in arguments.case)
    ]
    if not found:
        ids = ", ".join(case.id for case in cases[:5]) + (", ..." if len(cases) > 5 else "")
        raise ScenarioError(f"no case is selected; there are {len(cases)}: {ids}")
    return found


def one(arguments: argparse.Namespace) -> Case:
    """The one case that is meant. Raises ScenarioError when there are none or several."""
    found = selected(arguments)
    if len(found) > 1:
        ids = ", ".join(case.id for case in found[:5]) + (", ..." if len(found) > 5 else "")
        raise ScenarioError(f"{len(found)} cases are selected, and one is needed; choose with -k or --case: {ids}")
    return found[0]


def overrides(assignments: list[str]) -> dict[str, object]:
    """`a.b=1` as a dotted key and a YAML value. Raises ScenarioError for anything else."""
    found: dict[str, object] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ScenarioError(f"--set {text}: give KEY=VALUE, for example --set limits.deadline_s=60")
        try:
            found[key] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ScenarioError(f"--set {text}: the value is not valid YAML: {error}") from error
    return found
