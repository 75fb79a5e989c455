"""Skew in a real run: the verdict has the seed and what was drawn, and its command draws the same again."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from tests.campaign.test_command_line import SCENARIO, lockstep

SKEW = ["--set", "skew={seed: 11, seconds: [0.1, 0.3], phases: [generation_capture, decode]}"]


def test_a_verdict_carries_its_seed(tmp_path: Path) -> None:
    """Delays change nothing of the verdict but that it names them; the rerun command gives the same ones."""
    lockstep("run", SCENARIO, *SKEW, "-k", "none", "--reports", str(tmp_path), check=0)
    verdict = json.loads(next(tmp_path.glob("2*/cases/*/verdict.json")).read_text())
    assert verdict["skew"]["seed"] == 11
    places = {(fault["kind"], fault["rank"], fault["phase"]) for fault in verdict["skew"]["drawn"]}
    assert places == {("delay", rank, phase) for rank in (0, 1) for phase in ("generation_capture", "decode")}
    words = shlex.split(verdict["rerun"])[1:]
    shown = lockstep("show", words[1], *words[words.index("--set") :], "-k", "none", "--json", check=0)
    assert json.loads(shown.stdout)["spec"]["skew"] == verdict["skew"]


def test_a_rerun_sets_the_seed(tmp_path: Path) -> None:
    """Where the file has the seed, the command names it, so that it stays when the file changes."""
    path = tmp_path / "seeded.yaml"
    path.write_text(Path(SCENARIO).read_text() + "skew: {seed: 4, seconds: [0.1, 0.2], phases: [decode]}\n")
    lockstep("run", str(path), "-k", "assert", "--reports", str(tmp_path / "runs"), check=0)
    verdict = json.loads(next(tmp_path.glob("runs/2*/cases/*/verdict.json")).read_text())
    assert verdict["rerun"].endswith("--set skew.seed=4")
