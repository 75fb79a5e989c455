"""The bench that grafted code runs on: this rank's parts of the minimal engine, and where the warm-up is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engines.minimal.block_manager import BlockManager
from engines.minimal.cache_hand_off import CacheHandOff
from engines.minimal.faults import Faults
from engines.minimal.model_engine import ModelEngine
from engines.minimal.pipeline import Pipeline
from engines.minimal.protocols import Communicator
from engines.minimal.settings import Settings
from harness.trace import Recorder


@dataclass(slots=True)
class Bench:
    """What stand-ins stand on."""

    settings: Settings
    engine: ModelEngine
    manager: BlockManager
    tp: Communicator
    world: Communicator
    pipeline: Pipeline
    hand_off: CacheHandOff
    recorder: Recorder
    faults: Faults
    mentions: Callable[[str], bool]  # whether the tree's class names an attribute: versions differ in what they call
    phase: str = ""
    shape: str = ""
    entered: list[str] = field(default_factory=list)  # the phases so far
    requests: int = 0  # made in this phase
    grafted: Any = None  # the engine object
    needed_blocks: int | None = None  # what grafted code last compared the free blocks with
