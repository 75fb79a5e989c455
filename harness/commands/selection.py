"""Which cases a command is about: scenarios, and the filters that narrow them down."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from lockstep.harness.commands.expression import expression
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.document import value_of
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.scenario.load import load_all

MOST_SECTIONS = 16  # one below another


def add_selection(parser: argparse.ArgumentParser, nargs: str = "+") -> None:
    """Declare the arguments."""
    parser.add_argument(
        "scenarios",
        nargs=nargs,
        metavar="SCENARIO",
        help="a file, a folder, or the name of a scenario below scenarios/",
    )
    parser.add_argument(
        "-k",
        dest="words",
        action="append",
        default=[],
        metavar="TEXT",
        help="cases whose id holds TEXT, in any case; texts may be joined by and, or, not; several -k must all fit",
    )
    parser.add_argument(
        "--tag", action="append", default=[], metavar="TAG", help="cases of scenarios with any of these tags"
    )
    parser.add_argument("--case", action="append", default=[], metavar="ID", help="the cases with exactly these ids")
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
    failed: tuple[str, ...] = ()  # those that failed last, of which some may be of scenarios that are not meant

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
        tests = [expression(text) for text in self.words]
        self._known(cases)
        found = [
            case
            for case in cases
            if all(test(case.id) for test in tests)
            and (not self.tags or set(self.tags) & set(case.tags))
            and (not self.ids or case.id in self.ids)
            and (not self.failed or case.id in self.failed)
        ]
        if not found:
            raise ScenarioError(f"no case is selected{self._filters()}; there are {len(cases)}: {_some(cases)}")
        return found

    def _known(self, cases: Sequence[Case]) -> None:
        """Raise ScenarioError for a tag or an id that no case has, with the one that was probably meant."""
        tags = sorted({tag for case in cases for tag in case.tags})
        for option, given, there in (("--tag", self.tags, tags), ("--case", self.ids, [case.id for case in cases])):
            for one in given:
                if one not in there:
                    close = difflib.get_close_matches(one, there, n=1)
                    listed = f"there are {', '.join(tags) or 'none'}" if option == "--tag" else "`lockstep list` shows them"
                    raise ScenarioError(
                        f"{option} {one}: no case has it; {f'did you mean {close[0]}?' if close else listed}"
                    )

    def _filters(self) -> str:
        """What has left nothing, as it was given."""
        given = [f"-k {word!r}" for word in self.words] + [f"--tag {tag}" for tag in self.tags]
        given += [f"--last-failed ({', '.join(self.failed)})"] if self.failed else []
        return f" by {' '.join(given)}" if given else ""

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
        if key.count(".") > MOST_SECTIONS:
            raise ScenarioError(f"--set {key[:40]}...: names more than {MOST_SECTIONS} sections; no scenario has so many")
        found[key] = value_of(value, f"--set {key}")
    return found
