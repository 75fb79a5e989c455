"""docs/bisect.md is true: its commands run as they stand there, and its numbers are those of the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.bisect.search import CERTAIN, FLAKY, MISS, Options
from lockstep.harness.bisect.worktrees import KEPT
from lockstep.harness.report.rates import launches_to_see
from tests.bisect.toy import CLEAN, SHORT, linear

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "bisect.md").read_text()
BODIES = (SHORT, CLEAN, CLEAN, SHORT)


@pytest.mark.timeout(400)
def test_commands(tmp_path: Path) -> None:
    """Every block of commands runs with exit code 0 in a folder with an engine's repository and a scenario."""
    toy = linear(tmp_path / "engine", 3, lambda number: BODIES[number])
    toy.git("tag", "v0.9", toy.commits[0])
    toy.git("tag", "v1.0", toy.commits[1])
    (tmp_path / "capture-hang.yaml").write_text((ROOT / "tests" / "bisect" / "two_ranks.yaml").read_text())
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    blocks = re.findall(r"^```\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == 5
    for block in blocks:
        done = subprocess.run(
            ["sh", "-e", "-c", block], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{block}: {done.stderr}"
        if "--find" in block:
            assert f"{toy.commits[1][:12]} Commit 1 is the first fixed commit" in done.stderr
        elif "bisect run" in block:
            assert f"{toy.commits[3]} is the first bad commit" in done.stdout
        else:
            assert f"{toy.commits[3][:12]} Commit 3 is the first bad commit" in done.stderr, block


def test_numbers() -> None:
    """Probabilities and counts on the page are those of the code."""
    assert f"probability {CERTAIN.certain} ({FLAKY.certain} with" in PAGE
    assert f"`--confidence` ({Options().confidence})" in PAGE
    assert launches_to_see(0.3, MISS) == 9
    assert KEPT == 8


def test_options_are_on_the_page() -> None:
    """Every option of the command that is not of every command is named."""
    options = re.findall(r'"(--[a-z]+)"', (ROOT / "harness" / "commands" / "bisect.py").read_text())
    assert len(options) > 10
    assert {name for name in options if name not in PAGE} <= {"--device", "--launcher"}
