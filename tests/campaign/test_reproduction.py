"""The whole catalogue on real ranks: every case that needs no GPU gets the verdict that its scenario cites."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from harness.campaign.needs import complete
from harness.report.names import slug
from harness.scenario.case import Case
from harness.scenario.load import load_all

ROOT = Path(__file__).parents[2]
LOCKSTEP = str(Path(sys.executable).parent / "lockstep")
HERE, _ = complete(load_all(["scenarios"]))  # tests/source has those that need a checkout
CASES = [case for case in HERE if case.spec["device"] != "cuda"]  # tests/gpu has those
PHASES = ("attention", "general", "autotuner", "generation_capture", "prefill_capture", "memory_pool")
JOBS = "3"  # cases at once: most of them wait for a while, for a peer that starts or a second that must pass
RUN_S = 2400

pytestmark = pytest.mark.timeout(RUN_S)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one run of all of them."""
    reports = tmp_path_factory.mktemp("reports")
    command = [LOCKSTEP, "run", "scenarios", "--device", "cpu", "--jobs", JOBS, "--reports", str(reports), "--run-id", "it"]
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
