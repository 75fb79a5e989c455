"""The plan of a run: made from the command line, or that of the run which is continued."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lockstep.harness.campaign.commits import with_commits
from lockstep.harness.campaign.devices import assign
from lockstep.harness.campaign.needs import complete, placeable
from lockstep.harness.campaign.past import read_past
from lockstep.harness.campaign.plan import Wanted, plan_run
from lockstep.harness.campaign.resume import environment_differences, plan_differences
from lockstep.harness.campaign.shard import Shard
from lockstep.harness.campaign.waives import DEFAULT, Waive, load_waives
from lockstep.harness.commands.selection import chosen
from lockstep.harness.commands.site import Site
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.errors import ScenarioError

# What decides on the plan; run.json keeps it, so that `--resume RUN` alone makes the same one.
OPTIONS = (
    "scenarios", "all", "words", "tag", "case", "values", "device", "launcher", "shard", "nightly", "repeat",
    "hosts", "interface",
)  # fmt: skip
NARROWING = {"words": "-k", "tag": "--tag", "case": "--case", "values": "--set"}
NARROWING |= {"shard": "--shard", "nightly": "--nightly", "repeat": "--repeat"}


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A plan, sentences about it, and the options that it was made by."""

    plan: list[PlannedCase]
    said: list[str]
    options: dict[str, Any]


def add_planning(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments, beside those of the selection."""
    parser.add_argument("--all", action="store_true", help="everything below scenarios/")
    parser.add_argument("--shard", metavar="I/N", help="the I-th of N equal shares of the cases")
    parser.add_argument(
        "--timings", metavar="RUN", help="deal by the seconds of this run or baseline; the same for every shard"
    )
    parser.add_argument("--nightly", action="store_true", help="with controls and planted hangs, which must be found")
    parser.add_argument("--repeat", type=int, metavar="N", help="each case so many times")
    parser.add_argument("--waives", type=Path, metavar="FILE", help=f"known failures ({DEFAULT}, if it is there)")


def check_selection(arguments: argparse.Namespace) -> None:
    """Raise ScenarioError unless it is said what is to be run, once."""
    if arguments.scenarios and arguments.all:
        raise ScenarioError("--all is everything below scenarios/; leave out either it or the names of scenarios")
    if not (arguments.scenarios or arguments.all or arguments.resume):
        raise ScenarioError("say what to run: scenarios, --all, or --resume RUN; `lockstep list` shows what there is")
    if arguments.resume and not (arguments.scenarios or arguments.all):
        given = [flag for name, flag in NARROWING.items() if getattr(arguments, name)]
        if given:
            raise ScenarioError(f"--resume takes what is to be run from the run itself; leave out {', '.join(given)}")
    if arguments.repeat is not None and arguments.repeat < 1:
        raise ScenarioError(f"--repeat {arguments.repeat}: give a number from 1 on")


def make(arguments: argparse.Namespace, there: Site, every: Sequence[Case]) -> RunPlan:
    """The plan of a new run. `every`: the cases of all scenarios that are meant. Raises ScenarioError."""
    try:
        shard = Shard.parse(arguments.shard) if arguments.shard else None
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    given, left_out = complete(chosen(arguments, list(every)))
    assigned, said = assign(given, arguments.device, there.machine)
    cases, unplaced = placeable(assigned, there.pool)
    controls = _runnable(every, arguments.device, there) if arguments.nightly else []
    all_there_are = not arguments.scenarios and not arguments.values
    wanted = Wanted(shard, arguments.nightly, arguments.repeat or 1)
    recorded = read_past(arguments.timings, arguments.reports).timings() if arguments.timings else {}
    found, more = plan_run(cases, controls, wanted, recorded, _waives(arguments.waives, every, all_there_are))
    waived = len({one.case.id for one in found if one.waive})
    more += [f"{waived} of these cases are waived"] if waived else []
    return RunPlan(
        _settled(found, there), said + left_out + unplaced + more, {name: getattr(arguments, name) for name in OPTIONS}
    )


def recall(arguments: argparse.Namespace, run: Mapping[str, Any]) -> bool:
    """Take the options of the run that is continued, if the command line names no scenarios; whether that is so.

    Other hosts may be given: what was planned for those of the run must come out the same for them.
    """
    if "options" not in run:
        raise ScenarioError(f"run {run['run']} was made by a lockstep that could not continue runs")
    if arguments.scenarios or arguments.all:
        return False
    given = ("hosts", "interface") if arguments.hosts else ("interface",) if arguments.interface else ()
    other = {name: getattr(arguments, name) for name in given}
    vars(arguments).update({**run["options"], **other})
    return True


def again(
    arguments: argparse.Namespace,
    there: Site,
    every: Sequence[Case],
    run: Mapping[str, Any],
    environment: Mapping[str, Any],
    recalled: bool,
) -> RunPlan:
    """The plan of the run that is continued. Raises ScenarioError when it would be another one now, with what differs."""
    if recalled:
        planned = _as_planned(run["plan"], _runnable(every, arguments.device, there))
        made = RunPlan(_settled(planned, there), [], dict(run["options"]))
    else:
        made = make(arguments, there, every)
    differs = [*environment_differences(run["environment"], environment), *plan_differences(run["plan"], made.plan)]
    if differs:
        raise ScenarioError("\n".join((f"run {run['run']} cannot be continued, as it would be another one:", *differs)))
    return made


def _runnable(cases: Sequence[Case], device: str, there: Site) -> list[Case]:
    """The cases that can run here, each with its device."""
    return placeable(assign(complete(cases)[0], device, there.machine)[0], there.pool)[0]


def _settled(planned: Sequence[PlannedCase], there: Site) -> list[PlannedCase]:
    """The plan with what it means here: of which commit each case is, and how its ranks are dealt to the hosts."""
    return [replace(one, nodes=there.pool.request(one.case).counts) for one in with_commits(planned)]


def _as_planned(entries: Sequence[Mapping[str, Any]], cases: Sequence[Case]) -> list[PlannedCase]:
    """The plan of a run with its cases as they are now; without those that are gone."""
    known = {case.id: case for case in cases}
    return [
        PlannedCase(known[entry["id"]], entry["repetition"], entry["planted"], entry["waive"], entry["cost_s"])
        for entry in entries
        if entry["id"] in known
    ]


def _waives(path: Path | None, cases: Sequence[Case], all_there_are: bool) -> dict[str, Waive]:
    if path is None and not DEFAULT.exists():
        return {}
    return load_waives(path or DEFAULT, cases, datetime.now(timezone.utc).date(), all_there_are)
