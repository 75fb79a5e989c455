"""A tree's warm-up on ranks that are threads, over the device without tensors of the engine's own tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.control.pipeline import Pipeline
from lockstep.engines.minimal.failure.faults import Faults
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.serving.executor import Executor
from lockstep.engines.minimal.spec.settings import Settings
from lockstep.engines.minimal.warmup.autotuner_pipeline import CacheHandOff
from lockstep.engines.source.trtllm.upstream import UPSTREAM
from lockstep.engines.source.warm_up import SourceWarmUp
from lockstep.harness.scenario.load import load_all
from tests.engine.support import Log, TableDevice, ThreadCommunicator, alone, on_groups


@dataclass
class Ran:
    """What one rank did, or how far it came."""

    log: Log
    device: TableDevice
    warm_up: SourceWarmUp
    error: BaseException | None = None


def launch(tree: Path, changes: dict[str, Any] | None = None, world: int = 2, stuck_s: float = 30.0) -> list[Any]:
    """Warm up and decode on every rank."""
    case = load_all(["tests/source/base.yaml"], {"config.tree": str(tree), **(changes or {})})[0]

    def run(tp: ThreadCommunicator, everybody: ThreadCommunicator, data: ThreadCommunicator) -> Ran:
        mine = Settings.from_spec(case.spec, tp.rank, case.ranks)
        log, device = Log(), TableDevice(data, mine.drafts.length)
        manager = BlockManager(int(mine.kv.amount), mine.kv.tokens_per_block)
        engine = ModelEngine(mine, tp, device, log, scratch_block=manager.blocks)
        faults = Faults(mine.rank, mine.faults, log, lambda code: None, manager)
        pipeline, hand_off = Pipeline(mine, alone(), log, device), CacheHandOff(mine, alone(), log)
        warm_up = SourceWarmUp(
            mine, engine, manager, tp, everybody, pipeline, hand_off, log, faults, upstream=UPSTREAM, root=tree
        )
        ran = Ran(log, device, warm_up)
        try:
            warm_up.run()
            Executor(mine, engine, manager, tp, log, faults, pipeline).run()
            assert manager.free_blocks == manager.blocks
        except BaseException as error:  # Unable is no Exception
            ran.error = error
        return ran

    return on_groups(world, ("tp", "world", "data"), run, stuck_s)
