"""Builds a checkout with the user's command, whose output is kept."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import lockstep
from lockstep.harness.environment import COMMIT, TREE

POLL_S = 0.1
ROOT = str(Path(lockstep.__file__).parent.parent)


@dataclass(frozen=True, slots=True)
class Built:
    """How a build ended. An exit status says only whether there is something to launch, never a verdict."""

    ok: bool
    text: str  # why not, for people


def run_build(command: str, tree: Path, sha: str, log: Path, stopped: Callable[[], bool] = lambda: False) -> Built:
    """Run `command` with sh in the checkout. Raises KeyboardInterrupt when it is stopped; nothing of it stays then."""
    env = {**os.environ, COMMIT: sha, TREE: str(tree)}
    # The wrapper is ours wherever the command runs: not the `harness` that the checkout may have.
    wrapper = (
        "import sys; sys.path[:] = [sys.argv[2], *filter(None, sys.path)]; "
        "from lockstep.harness.bisect.builder import main; sys.exit(main(sys.argv[1]))"
    )
    with log.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "-c", wrapper, command, ROOT],
            cwd=tree,
            env=env,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            while running.poll() is None:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    running.wait(POLL_S)
                if stopped():
                    raise KeyboardInterrupt
        finally:
            if running.stdin is not None:
                running.stdin.close()
            running.wait()
    if running.returncode == 0:
        return Built(True, "")
    last = (log.read_text(errors="replace").strip().splitlines() or ["no output"])[-1]
    return Built(False, f"the build failed ({running.returncode}): {last}")
