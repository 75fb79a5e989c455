"""The plan of a run: made from its options, or that of the run which is continued."""

from __future__ import annotations

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
from lockstep.harness.commands.memory import short_of_memory
from lockstep.harness.commands.plan_options import PlanOptions
from lockstep.harness.commands.site import Site
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.errors import ScenarioError


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A plan, sentences about it, and the options that it was made by."""

    plan: list[PlannedCase]
    said: list[str]
    options: dict[str, Any]


def make(options: PlanOptions, site: Site, every: Sequence[Case]) -> RunPlan:
    """The plan of a new run. `every`: the cases of all scenarios that are meant. Raises ScenarioError."""
    try:
        shard = Shard.parse(options.shard) if options.shard else None
    except ValueError as error:
        raise ScenarioError(str(error)) from error
    given, left_out = complete(options.selection.narrow(every))
    assigned, said = assign(given, options.device, site.machine)
    cases, unplaced = placeable(assigned, site.pool)
    controls = _runnable(every, options.device, site) if options.nightly else []
    all_there_are = not options.selection.scenarios and not options.selection.values
    wanted = Wanted(shard, options.nightly, options.repeat or 1)
    recorded = read_past(options.timings, options.reports).timings() if options.timings else {}
    found, more = plan_run(cases, controls, wanted, recorded, _waives(options.waives, every, all_there_are))
    waived = len({one.case.id for one in found if one.waive})
    more += [f"{waived} of these cases are waived"] if waived else []
    if site.pool.capacity.only_here:
        more += short_of_memory([one.case for one in found])
    return RunPlan(_settled(found, site), said + left_out + unplaced + more, options.to_json())


def again(
    options: PlanOptions,
    site: Site,
    every: Sequence[Case],
    run: Mapping[str, Any],
    environment: Mapping[str, Any],
    recalled: bool,
) -> RunPlan:
    """The plan of the run that is continued; `recalled`: from what it keeps, not from the command line.

    Raises ScenarioError when it would be another one now, with what differs.
    """
    if recalled:
        planned = _as_planned(run["plan"], _runnable(every, options.device, site))
        made = RunPlan(_settled(planned, site), [], dict(run["options"]))
    else:
        made = make(options, site, every)
    differs = [*environment_differences(run["environment"], environment), *plan_differences(run["plan"], made.plan)]
    if differs:
        raise ScenarioError("\n".join((f"run {run['run']} cannot be continued, as it would be another one:", *differs)))
    return made


def _runnable(cases: Sequence[Case], device: str, site: Site) -> list[Case]:
    """The cases that can run here, each with its device."""
    return placeable(assign(complete(cases)[0], device, site.machine)[0], site.pool)[0]


def _settled(planned: Sequence[PlannedCase], site: Site) -> list[PlannedCase]:
    """The plan with what it means here: of which commit each case is, and how its ranks are dealt to the hosts."""
    return [replace(one, nodes=site.pool.request(one.case).counts) for one in with_commits(planned)]


def _as_planned(entries: Sequence[Mapping[str, Any]], cases: Sequence[Case]) -> list[PlannedCase]:
    """The plan of a run with its cases as they are now; without those that are gone. What was left out has its default."""
    known = {case.id: case for case in cases}
    kept = ("repetition", "planted", "waive", "cost_s")
    return [
        PlannedCase(known[entry["id"]], **{key: entry[key] for key in kept if key in entry})
        for entry in entries
        if entry["id"] in known
    ]


def _waives(path: Path | None, cases: Sequence[Case], all_there_are: bool) -> dict[str, Waive]:
    if path is None and not DEFAULT.exists():
        return {}
    return load_waives(path or DEFAULT, cases, datetime.now(timezone.utc).date(), all_there_are)
