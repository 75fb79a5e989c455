"""What is written down of a case that was judged: first when its verdict is certain, then with its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.rank_map import NodeRanks

if TYPE_CHECKING:
    from lockstep.harness.scenario.case import Case


@dataclass(frozen=True, slots=True)
class CaseRecord:
    """`ok`: as expected; if not, `differences` says in what. `rerun`: the exact command that runs this case again."""

    case: Case
    verdict: Verdict
    ok: bool
    differences: Sequence[str]
    rerun: str
    seconds: float  # the whole case: launch, verdict, evidence, teardown
    repetition: int = 1
    places: Sequence[NodeRanks] = ()  # to which its ranks were sent
