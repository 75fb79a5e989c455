"""The catalogue on real ranks: each scenario as it was reported gets the verdict that it cites.

Beside the point that was reported (the first that is no success), every point of the scenarios in which one phase's guard
decides. `make catalogue` runs all points, and so does LOCKSTEP_CATALOGUE=all here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.campaign.needs import complete, placeable
from lockstep.harness.placement.pool import Pool
from lockstep.harness.report.names import slug
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.load import load_all

ROOT = Path(__file__).parents[2]
LOCKSTEP = str(Path(sys.executable).parent / "lockstep")
PHASES = ("attention", "general", "autotuner", "generation_capture", "prefill_capture", "memory_pool")
GUARDED = (
    "attention-asymmetric", "general-and-autotuner", "generation-capture-asymmetric-dep2", "prefill-capture-asymmetric",
    "memory-pool-asymmetric",
)  # fmt: skip
RUN_S = 2400

pytestmark = pytest.mark.timeout(RUN_S)


def chosen(cases: Sequence[Case]) -> list[Case]:
    """Those that are run here."""
    if os.environ.get("LOCKSTEP_CATALOGUE") == "all":
        return list(cases)
    found: list[Case] = []
    for name, group in groupby(cases, key=lambda case: case.scenario):
        points = list(group)
        reported = next((case for case in points if case.expect.outcome != "success"), points[0])
        found += points if name in GUARDED else [reported]
    return found


HERE, _ = placeable(complete(load_all(["scenarios"]))[0], Pool.here(1, 1))  # tests/source has those that need a checkout
CASES = chosen([case for case in HERE if case.spec["device"] != "cuda"])  # tests/gpu has those


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one run of all of them."""
    reports = tmp_path_factory.mktemp("reports")
    words = [word for case in CASES for word in ("--case", case.id)]
    command = [LOCKSTEP, "run", "scenarios", *words, "--device", "cpu", "--reports", str(reports), "--run-id", "it"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=RUN_S, check=False)
    assert done.returncode in (0, 1), done.stderr
    return reports / "it"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case, run: Path) -> None:
    """The case's verdict is as expected: outcome, cause, proof, blame, decision and figures."""
    verdict = json.loads((run / "cases" / slug(case.id) / "verdict.json").read_bytes())
    assert verdict["expected"]["ok"], f"{verdict['expected']['differences']}\n{verdict['text']}"


def guards_of(case: Case) -> dict[str, str]:
    """The guard of each phase that the case's upstream state has."""
    return {phase: case.spec["guards"][phase] for phase in PHASES if case.spec["warmup"][phase]}


def others(case: Case, phase: str) -> Any:
    """All that a case gives its ranks, but for one phase's guard."""
    return str({**case.spec, "guards": {p: g for p, g in case.spec["guards"].items() if p != phase}})


@pytest.mark.parametrize("phase", PHASES)
def test_a_guard_alone_turns_the_verdict(phase: str) -> None:
    """For every phase there are cases that differ in its guard only: without it a hang, with one that asserts an error.

    That the verdicts are so is what `test_case` shows for each of them.
    """
    found = 0
    minimal = [case for case in CASES if case.engine == "minimal"]
    for _, group in groupby(sorted(minimal, key=lambda case: others(case, phase)), key=lambda case: others(case, phase)):
        outcome = {case.spec["guards"][phase]: case.expect.outcome for case in group if guards_of(case).get(phase)}
        found += (outcome.get("none"), outcome.get("assert")) == ("hang", "raise")
    assert found
