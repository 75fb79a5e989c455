"""A tree's warm-up on ranks that are threads, over the device without tensors of the engine's own tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lockstep.engines.minimal.spec.settings import Settings
from lockstep.engines.minimal.warmup.autotuner_pipeline import CacheHandOff
from lockstep.engines.source.graft.warm_up import SourceWarmUp
from lockstep.engines.source.trtllm.upstream import UPSTREAM
from lockstep.harness.scenario.load import load_all
from tests.engine.support import Log, TableDevice, ThreadCommunicator, alone, context_of, executor_of, on_groups


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
        context = context_of(mine, tp, log, device, world=everybody)
        warm_up = SourceWarmUp(context, CacheHandOff(mine, alone(), log), UPSTREAM, tree)
        ran = Ran(log, device, warm_up)
        try:
            warm_up.run()
            executor_of(replace(context, world=tp)).run()
            assert context.manager.free_blocks == context.manager.blocks
        except BaseException as error:  # Unable is no Exception
            ran.error = error
        return ran

    return on_groups(world, ("tp", "world", "data"), run, stuck_s)
