"""The parts of a rank that every warm-up stands on, whoever's control flow it is."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from engines.minimal.base.block_manager import BlockManager
from engines.minimal.base.protocols import Communicator
from engines.minimal.control.pipeline import Pipeline
from engines.minimal.failure.faults import Faults
from engines.minimal.forward.model_engine import ModelEngine
from engines.minimal.spec.settings import Settings
from engines.minimal.warmup.autotuner_pipeline import CacheHandOff
from harness.trace import Recorder


@dataclass(slots=True)
class Parts:
    """One rank's settings, engine, KV blocks, communicators, and what watches it."""

    settings: Settings
    engine: ModelEngine
    manager: BlockManager
    tp: Communicator
    world: Communicator
    pipeline: Pipeline
    hand_off: CacheHandOff
    recorder: Recorder
    faults: Faults

    def shared(self) -> dict[str, Any]:
        """The same parts by name, for something else that stands on them."""
        return {part.name: getattr(self, part.name) for part in fields(Parts)}
