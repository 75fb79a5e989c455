"""The context of a rank: what every warm-up and every executor of it stands on, whoever's control flow that is."""

from __future__ import annotations

from dataclasses import dataclass

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.base.protocols import Communicator, KvCache
from lockstep.engines.minimal.control.pipeline import Pipeline
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.harness.trace import Recorder


@dataclass(frozen=True, slots=True, kw_only=True)
class RankContext:
    """One rank's settings, what watches it, its communicators, its engine and its KV blocks.

    `tp`: the ranks that share the layers of a stage; `world`: all ranks.
    """

    settings: Settings
    recorder: Recorder
    faults: Faults
    tp: Communicator
    world: Communicator
    pipeline: Pipeline
    engine: ModelEngine
    manager: BlockManager
    pool: KvCache

    @property
    def apart(self) -> bool:
        """Whether each rank of the group has requests of its own."""
        return self.settings.parallel.attention_dp
