"""From the cases that are meant to a run's plan: planted ones first, then this shard's, each as often as asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lockstep.harness.campaign.cost import costs
from lockstep.harness.campaign.shard import Shard, deal, fingerprint
from lockstep.harness.campaign.waives import Waive
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.errors import ScenarioError
from lockstep.harness.vocabulary import Outcome

PLANTED_TAGS = {"planted", "control"}  # scenarios that a night must have, whatever its shard


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the cases is to be run."""

    shard: Shard | None = None
    nightly: bool = False  # controls and planted hangs are in it, and a planted hang must be found
    repeat: int = 1


def plan_run(
    cases: Sequence[Case],
    controls: Sequence[Case],
    wanted: Wanted,
    recorded: Mapping[str, float],
    waives: Mapping[str, Waive],
) -> tuple[list[PlannedCase], list[str]]:
    """The plan, and sentences about it.

    `controls`: the cases that every night has, also those that were not selected; of no meaning otherwise. `recorded`:
    seconds of an earlier run, by case id. `waives`: by case id. Raises ScenarioError for a night without a planted hang.
    """
    always = [case for case in controls if set(case.tags) & PLANTED_TAGS] if wanted.nightly else []
    if wanted.nightly and not any(_planted(case) for case in always):
        raise ScenarioError(
            "--nightly: no case that should hang is tagged `planted`, and a night without tells nothing; name planted-hangs "
            "beside the others, or use --all"
        )
    known = {case.id for case in always}
    rest = [case for case in cases if case.id not in known]
    seconds = costs([*always, *rest], recorded)
    said = [f"{len(always)} planted and control cases are in every shard of this night"] if always else []
    if wanted.shard:
        dealt = {case.id: seconds[case.id] for case in rest}
        mine = set(deal(dealt, wanted.shard.count)[wanted.shard.index - 1])
        said.append(
            f"shard {wanted.shard}: {len(mine)} of {len(rest)} cases, deal {fingerprint(dealt, wanted.shard.count)}, "
            f"likely {sum(seconds[ident] for ident in mine) * wanted.repeat:.0f} s one after another"
        )
        rest = [case for case in rest if case.id in mine]
    found = [
        PlannedCase(
            case,
            repetition,
            planted=wanted.nightly and _planted(case) and case.id in known,
            waive=waives[case.id].to_json() if case.id in waives else None,
            cost_s=seconds[case.id],
        )
        for repetition in range(1, wanted.repeat + 1)
        for case in (*always, *rest)
    ]
    if not found:
        raise ScenarioError(f"shard {wanted.shard} has no case: there are {len(cases)} in all")
    return found, said


def _planted(case: Case) -> bool:
    return bool(set(case.tags) & PLANTED_TAGS) and case.expect.outcome == Outcome.HANG.value
