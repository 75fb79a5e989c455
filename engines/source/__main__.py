"""One rank's process: `python -m lockstep.engines.source`, started by a supervisor."""

from __future__ import annotations

import json
import os
from pathlib import Path

from lockstep.engines.minimal.__main__ import main
from lockstep.engines.minimal.forward.context import RankContext
from lockstep.engines.minimal.rank import Rank
from lockstep.engines.source.graft.warm_up import SourceWarmUp
from lockstep.engines.source.trtllm.upstream import UPSTREAM
from lockstep.harness.environment import SPEC


class SourceRank(Rank):
    """A rank of the minimal engine, warmed up by the tree's code."""

    def warm_up(self, context: RankContext) -> SourceWarmUp:
        """The tree's warm-up, ready to run."""
        tree = Path(json.loads(os.environ[SPEC])["config"]["tree"])
        return SourceWarmUp(context, self.hand_off, UPSTREAM, tree)


if __name__ == "__main__":
    main(SourceRank)
