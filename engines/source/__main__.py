"""One rank's process: `python -m engines.source`, started by a supervisor."""

from __future__ import annotations

import json
import os
from pathlib import Path

from engines.minimal.__main__ import main
from engines.minimal.base.block_manager import BlockManager
from engines.minimal.forward.model_engine import ModelEngine
from engines.minimal.rank import Rank
from engines.source.trtllm.upstream import UPSTREAM
from engines.source.warm_up import SourceWarmUp


class SourceRank(Rank):
    """A rank of the minimal engine, warmed up by the tree's code."""

    def warm_up(self, engine: ModelEngine, manager: BlockManager) -> SourceWarmUp:
        """The tree's warm-up, ready to run."""
        tree = Path(json.loads(os.environ["LOCKSTEP_SPEC"])["config"]["tree"])
        return SourceWarmUp(**self.parts(engine, manager).shared(), upstream=UPSTREAM, root=tree)


if __name__ == "__main__":
    main(SourceRank)
