"""The commands of docs/scale.md run, at sizes that take a moment, and the page names limits as they are in the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.channel.bootstrap import SILENCE_S
from lockstep.harness.channel.pacing import beat_s, gather_s
from lockstep.harness.channel.supervisor_end import HANDSHAKE_MS
from lockstep.harness.trace import layout
from lockstep.harness.watchdog import stack_sampling
from lockstep.harness.watchdog.ranks.retention import CASE_BYTES, RANK_BYTES

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "scale.md").read_text()
SMALL = {"watchdog_load": ["16", "0.002"], "decision": ["64"], "supervisors": ["2"]}


@pytest.mark.parametrize("module", SMALL)
def test_the_commands_run(module: str) -> None:
    """Each command of the page, with a size that is small, ends well and prints figures."""
    assert f"`python -m benchmarks.{module} RANKS`" in PAGE
    command = [sys.executable, "-m", f"benchmarks.{module}", *SMALL[module]]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert all(re.fullmatch(r"[^:]+: [\d.e+-]+", line) for line in done.stdout.splitlines())


def test_make_bench_scale() -> None:
    """The target of the page exists."""
    done = subprocess.run(["make", "-n", "bench-scale"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "-m benchmarks.scale" in done.stdout


def test_the_page_says_what_the_code_does() -> None:
    """Its numbers of limits are those of the code."""
    assert f"{beat_s(10_000, SILENCE_S):.0f} s" in PAGE
    assert f"({gather_s(10_000):.1f} s at 10,000)" in PAGE
    assert f"{HANDSHAKE_MS // 1000} s, and" in PAGE
    assert f"| {RANK_BYTES >> 20} MiB of events a rank" in PAGE
    assert f"| {CASE_BYTES >> 30} GiB for all ranks" in PAGE
    assert f"of {stack_sampling.MOST}: the blamed ones" in PAGE
    assert f"({layout.DEFAULT_CAPACITY:,} each)" in PAGE
