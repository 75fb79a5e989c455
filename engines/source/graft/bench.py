"""The bench that grafted code runs on: this rank's parts of the minimal engine, and where the warm-up is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.warmup.autotuner_pipeline import CacheHandOff


@dataclass(slots=True, kw_only=True)
class Bench:
    """What stand-ins stand on."""

    rank: RankContext
    hand_off: CacheHandOff
    mentions: Callable[[str], bool]  # whether the tree's class names an attribute: versions differ in what they call
    phase: str = ""
    shape: str = ""
    entered: list[str] = field(default_factory=list)  # the phases so far
    requests: int = 0  # made in this phase
    grafted: Any = None  # the engine object
    needed_blocks: int | None = None  # what grafted code last compared the free blocks with
