"""One rank's process: `python -m engines.source`, started by a supervisor."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

from engines.minimal.__main__ import main
from engines.source.trtllm.upstream import UPSTREAM
from engines.source.warm_up import SourceWarmUp

if __name__ == "__main__":
    tree = Path(json.loads(os.environ["LOCKSTEP_SPEC"])["config"]["tree"])
    main(partial(SourceWarmUp, UPSTREAM, tree))
