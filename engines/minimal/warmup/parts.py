"""The parts of a rank that every warm-up stands on, whoever's control flow it is."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Communicator
from lockstep.engines.minimal.control.pipeline import Pipeline
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.engines.minimal.warmup.autotuner_pipeline import CacheHandOff
from lockstep.harness.trace import Recorder


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
