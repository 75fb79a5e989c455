"""What decides on the plan of a run: the options of `lockstep run`, made once from the command line or from run.json."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lockstep.harness.campaign.waives import DEFAULT
from lockstep.harness.commands.hosts import HostOptions
from lockstep.harness.commands.selection import Selection
from lockstep.harness.report.result import RED, results
from lockstep.harness.report.store import RunStore, find_run
from lockstep.harness.scenario.errors import ScenarioError

MOST_REPETITIONS = 10_000  # each is in the plan, and is shown
# What says which cases, by its name in run.json; a run that is continued has it already.
NARROWING = {"words": "-k", "tag": "--tag", "case": "--case", "values": "--set"}
NARROWING |= {"shard": "--shard", "nightly": "--nightly", "repeat": "--repeat"}


def add_planning(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments, beside those of the selection."""
    parser.add_argument("--all", action="store_true", help="everything below scenarios/")
    parser.add_argument("--shard", metavar="I/N", help="the I-th of N equal shares of the cases")
    parser.add_argument(
        "--timings", metavar="RUN", help="deal by the seconds of this run or baseline; the same for every shard"
    )
    parser.add_argument("--nightly", action="store_true", help="with controls and planted hangs, which must be found")
    parser.add_argument(
        "--last-failed",
        "--lf",
        nargs="?",
        const="latest",
        metavar="RUN",
        help="only the cases that were not as expected in this run (latest)",
    )
    parser.add_argument("--repeat", type=int, metavar="N", help="each case so many times")
    parser.add_argument("--waives", type=Path, metavar="FILE", help=f"known failures ({DEFAULT}, if it is there)")


def last_failed(selection: Selection, name: str, reports: Path) -> Selection:
    """The selection, narrowed down to what was not as expected in a run. Raises ScenarioError where all was."""
    folder = find_run(name, reports)
    try:
        red = [result.line for result in results(RunStore.open(folder).lines) if result.standing in RED]
    except ValueError as error:
        raise ScenarioError(f"--last-failed {name}: {error}") from error
    red = [line for line in red if line.path]  # of `watch` there is no scenario
    if not red:
        raise ScenarioError(f"--last-failed {name}: everything in {folder.resolve().name} was as expected")
    scenarios = selection.scenarios or tuple(dict.fromkeys(line.path for line in red))
    return replace(selection, scenarios=scenarios, failed=tuple(dict.fromkeys(line.case for line in red)))


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What decides on the plan of a run. run.json keeps it (`to_json`), so that `--resume RUN` alone makes the same one."""

    selection: Selection
    hosts: HostOptions
    all: bool
    device: str
    shard: str | None
    nightly: bool
    repeat: int | None
    timings: str | None  # not kept: what it says is in the plan
    waives: Path | None  # not kept either
    reports: Path  # where `timings` is looked for

    @staticmethod
    def of(arguments: argparse.Namespace) -> PlanOptions:
        """As the command line says. Raises ScenarioError for what makes no sense."""
        selection, every = Selection.of(arguments), arguments.all
        if arguments.last_failed:
            if arguments.resume:
                raise ScenarioError("--resume goes on with a run as it was planned; leave out --last-failed")
            selection = last_failed(selection, arguments.last_failed, arguments.reports)
            every = every and not selection.scenarios
        found = PlanOptions(
            selection,
            HostOptions.of(arguments),
            every,
            arguments.device,
            arguments.shard,
            arguments.nightly,
            arguments.repeat,
            arguments.timings,
            arguments.waives,
            arguments.reports,
        )
        found._check(resumes=bool(arguments.resume))
        return found

    @property
    def names_scenarios(self) -> bool:
        """Whether it says what to run."""
        return self.all or bool(self.selection.scenarios)

    def _check(self, resumes: bool) -> None:
        if self.selection.scenarios and self.all:
            raise ScenarioError("--all is everything below scenarios/; leave out either it or the names of scenarios")
        if not (self.names_scenarios or resumes):
            raise ScenarioError("say what to run: scenarios, --all, or --resume RUN; `lockstep list` shows what there is")
        if resumes and not self.names_scenarios:
            kept = self.to_json()
            given = [flag for name, flag in NARROWING.items() if kept[name]]
            if given:
                raise ScenarioError(f"--resume takes what is to be run from the run itself; leave out {', '.join(given)}")
        if self.repeat is not None and not 1 <= self.repeat <= MOST_REPETITIONS:
            raise ScenarioError(f"--repeat {self.repeat}: give a number from 1 on, {MOST_REPETITIONS:,} at most")

    def to_json(self) -> dict[str, Any]:
        """By the names of the command line's arguments."""
        chosen, where = self.selection, self.hosts
        return {
            "scenarios": list(chosen.scenarios),
            "all": self.all,
            "words": list(chosen.words),
            "tag": list(chosen.tags),
            "case": list(chosen.ids or chosen.failed),
            "values": list(chosen.values),
            "device": self.device,
            "launcher": where.launcher,
            "shard": self.shard,
            "nightly": self.nightly,
            "repeat": self.repeat,
            "hosts": where.hosts,
            "interface": where.interface,
        }

    def recalled(self, run: Mapping[str, Any]) -> PlanOptions:
        """Those of the run that is continued, if the command line names no scenarios; else its own.

        Other hosts may be given: what was planned for those of the run must come out the same for them.
        """
        if "options" not in run:
            raise ScenarioError(f"run {run['run']} was made by a lockstep that could not continue runs")
        if self.names_scenarios:
            return self
        kept = {**self.to_json(), **run["options"]}
        selection = Selection(*(tuple(kept[name]) for name in ("scenarios", "words", "tag", "case", "values")))
        hosts, interface = kept["hosts"], kept["interface"]
        if self.hosts.hosts or self.hosts.interface:
            hosts, interface = self.hosts.hosts or hosts, self.hosts.interface
        return replace(
            self,
            selection=selection,
            hosts=HostOptions(hosts, interface, kept["launcher"]),
            all=kept["all"],
            device=kept["device"],
            shard=kept["shard"],
            nightly=kept["nightly"],
            repeat=kept["repeat"],
        )
