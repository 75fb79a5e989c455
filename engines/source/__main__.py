"""One rank's process: `python -m lockstep.engines.source`, started by a supervisor."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lockstep.engines.minimal.__main__ import main
from lockstep.engines.minimal.base.block_manager import BlockManager
from lockstep.engines.minimal.forward.model_engine import ModelEngine
from lockstep.engines.minimal.rank import Rank
from lockstep.engines.source.trtllm.upstream import UPSTREAM
from lockstep.engines.source.warm_up import SourceWarmUp
from lockstep.harness.environment import SPEC


class SourceRank(Rank):
    """A rank of the minimal engine, warmed up by the tree's code."""

    def warm_up(self, engine: ModelEngine, manager: BlockManager) -> SourceWarmUp:
        """The tree's warm-up, ready to run."""
        tree = Path(json.loads(os.environ[SPEC])["config"]["tree"])
        return SourceWarmUp(**self.parts(engine, manager).shared(), upstream=UPSTREAM, root=tree)


if __name__ == "__main__":
    main(SourceRank)
