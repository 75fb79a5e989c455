"""Which cases a command is about: scenarios, and the filters that narrow them down."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class Selection:
    """What `add_selection` declares. `values`: KEY=VALUE, as given."""

    scenarios: tuple[str, ...] = ()  # empty: everything below scenarios/
    words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    values: tuple[str, ...] = ()

    @staticmethod
    def of(arguments: argparse.Namespace) -> Selection:
        """As the command line says."""
        filters = (arguments.words, arguments.tag, arguments.case, arguments.values)
        return Selection(tuple(arguments.scenarios), *map(tuple, filters))

    def all_cases(self) -> list[Case]:
        """All cases of the scenarios that are meant, whatever narrows them down. Raises ScenarioError."""
        return load_all(list(self.scenarios) or ["scenarios"], overrides(self.values))

    def narrow(self, cases: Sequence[Case]) -> list[Case]:
        """Those that the filters leave. Raises ScenarioError when there are none."""
        found = [
            case
            for case in cases
            if all(text in case.id for text in self.words)
            and (not self.tags or set(self.tags) & set(case.tags))
            and (not self.ids or case.id in self.ids)
        ]
        if not found:
            raise ScenarioError(f"no case is selected; there are {len(cases)}: {_some(cases)}")
        return found

    def cases(self) -> list[Case]:
        """The cases that are meant. Raises ScenarioError when there are none."""
        return self.narrow(self.all_cases())

    def one(self) -> Case:
        """The one case that is meant. Raises ScenarioError when there are none or several."""
        found = self.cases()
        if len(found) > 1:
            raise ScenarioError(
                f"{len(found)} cases are selected, and one is needed; choose with -k or --case: {_some(found)}"
            )
        return found[0]


def _some(cases: Sequence[Case]) -> str:
    return ", ".join(case.id for case in cases[:5]) + (", ..." if len(cases) > 5 else "")


def overrides(assignments: Sequence[str]) -> dict[str, object]:
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
