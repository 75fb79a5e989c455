"""Whether a step has a drafter's forward (vllm-project/vllm#44185)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lockstep.engines.minimal.base.requests import Request
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.spec.points import Point


class Drafting(Protocol):
    """Asked in each step."""

    def drafts(self, step: str, requests: Sequence[Request], fits: bool, context: RankContext) -> bool:
        """Whether there is one, where all of the rank's requests have room for drafts or not."""


class Always:
    """Sound: there is, with padding for requests that have no room."""

    def drafts(self, step: str, requests: Sequence[Request], fits: bool, context: RankContext) -> bool:
        """Yes."""
        return True


class WhenFitting:
    """If all of its requests have room: a peer waits in the drafter's experts (vllm-project/vllm#44185)."""

    def drafts(self, step: str, requests: Sequence[Request], fits: bool, context: RankContext) -> bool:
        """If they have."""
        settings = context.settings
        longest = max((request.computed for request in requests), default=0)
        detail = f"computed={longest} drafts={settings.drafts.length} max_seq_len={settings.max_seq_len}"
        context.recorder.decision("decode.drafter", step, "draft" if fits else "skip", detail, deviates=not fits)
        return fits


DRAFTER = Point[Drafting](
    "drafter",
    "whether a step has a drafter's forward: `always`, with padding for requests that have no room for drafts; "
    "`when-fitting`: only if all of the rank's requests have",
    {"always": Always(), "when-fitting": WhenFitting()},
)
