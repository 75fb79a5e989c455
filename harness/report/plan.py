"""The plan of a run: which cases, how often each, and what else reports must know of them beforehand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lockstep.harness.report import coverage, names

if TYPE_CHECKING:
    from lockstep.harness.scenario.case import Case


@dataclass(frozen=True, slots=True)
class PlannedCase:
    """One repetition of a case."""

    case: Case
    repetition: int = 1  # from 1
    planted: bool = False  # a hang that must be found
    waive: Mapping[str, Any] | None = None  # owner, reason, link, expires, kind, meanwhile; see docs/nightly.md
    cost_s: float = 0.0  # what it will likely take
    engine_commit: str = ""  # of the code that its ranks run; empty: not known
    nodes: tuple[int, ...] = ()  # ranks of each node, as the hosts of the run have room for them

    @property
    def ranks(self) -> int:
        """How many it launches."""
        return self.case.ranks

    @property
    def slug(self) -> str:
        """Its folder below `cases/`."""
        return names.slug(self.case.id, self.repetition)

    def to_json(self) -> dict[str, Any]:
        """As an entry of run.json: what every report says of it whether it is judged or not."""
        return {
            "id": self.case.id,
            "repetition": self.repetition,
            "scenario": self.case.scenario,
            "path": self.case.path,
            "slug": self.slug,
            "ranks": self.case.ranks,
            "mechanism_class": self.case.mechanism_class,
            "guard": coverage.guard_text(self.case.point),
            "planted": self.planted,
            "waive": self.waive,
            "digest": digest(self.case),
            "cost_s": self.cost_s,
            "engine_commit": self.engine_commit,
            "nodes": list(self.nodes),
        }


def digest(case: Case) -> str:
    """Short hash of all that a case is: what the ranks get, limits, expectation."""
    raw = json.dumps(case.to_json(), sort_keys=True)
    return hashlib.sha256(raw.encode("utf-8", "surrogatepass")).hexdigest()[:16]
