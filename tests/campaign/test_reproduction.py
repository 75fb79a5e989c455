"""Every case that needs no GPU, on real ranks, gets the verdict that its scenario cites."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from harness.campaign.run import Run
from harness.launch.launcher import find
from harness.report.line import Line
from harness.report.store import RunStore
from harness.scenario.case import Case
from harness.scenario.load import load_all
from harness.watch.members import Members

CASES = [case for case in load_all(["scenarios"]) if case.spec["device"] != "cuda"]  # tests/gpu has those
PHASES = ("attention", "general", "autotuner", "generation_capture", "prefill_capture", "memory_pool")


class Silent:
    """A display that shows nothing."""

    def begin(self, case: Case) -> None:
        """Nothing."""

    def tick(self, case: Case, members: Members) -> None:
        """Nothing."""

    def end(self, case: Case, line: Line) -> None:
        """Nothing."""


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_case(case: Case, tmp_path: Path) -> None:
    """The case's verdict is as expected: outcome, cause, proof, blame, decision and figures."""
    store = RunStore.create(tmp_path, "run", ["test"], {}, [case])
    line = Run(store, find(), Silent()).one(case)
    assert line.ok, f"{line.differences}\n{line.text}"


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
    for _, group in groupby(sorted(CASES, key=lambda case: others(case, phase)), key=lambda case: others(case, phase)):
        outcome = {case.spec["guards"][phase]: case.expect.outcome for case in group if guards_of(case).get(phase)}
        found += (outcome.get("none"), outcome.get("assert")) == ("hang", "raise")
    assert found
