"""Attempts: what is tried again, how often, and what is kept of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lockstep.harness.bisect.silent import Silent
from lockstep.harness.campaign.attempts import judged_attempt
from lockstep.harness.campaign.run import Run
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.launch.discovery import find
from lockstep.harness.report.evidence import KILLED
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore
from lockstep.harness.vocabulary import CAUSES, Cause, Outcome
from tests.report.samples import ENVIRONMENT, case

LAUNCH = Verdict(Outcome.INVALID, Cause.LAUNCH, "no mpiexec")
LOST = Verdict(Outcome.INVALID, Cause.NODE_LOST, "silent")
HUNG = Verdict(Outcome.HANG, Cause.DEADLOCK, "knot")
EVERY = [Verdict(outcome, cause) for outcome, causes in CAUSES.items() for cause in causes]


def giving(folder: Path, verdicts: list[Verdict]) -> Callable[[], Verdict]:
    """An attempt that leaves evidence and takes the next verdict."""
    left = iter(verdicts)

    def attempt() -> Verdict:
        verdict = next(left)
        (folder / "rank-0.log").write_text(verdict.text)
        return verdict

    return attempt


@settings(max_examples=200)
@given(st.lists(st.sampled_from(EVERY), min_size=6, max_size=6), st.integers(0, 4))
def test_only_a_launch_or_a_node_is_tried_again(verdicts: list[Verdict], retries: int) -> None:
    """The first verdict of any other kind is the verdict, whatever comes after it; retries are never exceeded."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        found = judged_attempt(Path(name), retries, giving(Path(name), verdicts))
    place = next(
        (
            n
            for n, one in enumerate(verdicts)
            if (one.outcome, one.cause) not in {(v.outcome, v.cause) for v in (LAUNCH, LOST)}
        ),
        len(verdicts),
    )
    assert found is verdicts[min(place, retries)]


def test_every_attempt_is_kept_and_named(tmp_path: Path) -> None:
    """Evidence and verdict of each lie in its folder; the verdict file and the line name them all."""
    run = RunStore.create(tmp_path, None, [], ENVIRONMENT, [case("a")])
    folder = run.case_dir(case("a"))
    verdict = judged_attempt(folder, 5, giving(folder, [LAUNCH, LOST, HUNG]))
    line = run.record(CaseRecord(case("a"), verdict, True, [], "again", 1.0))
    kept = [(folder / name / "rank-0.log").read_text() for name in ("attempt-1", "attempt-2", ".")]
    assert kept == ["no mpiexec", "silent", "knot"]
    assert (line.outcome, line.attempts) == ("hang", 3)
    assert line.attempt_texts == "attempt 1: invalid (launch): no mpiexec\nattempt 2: invalid (node-lost): silent"
    for report in ("junit.xml", "summary.md"):
        assert "attempt 1: invalid" in (run.path / report).read_text()


def test_a_killed_attempt_is_kept_and_counts_as_no_retry(tmp_path: Path) -> None:
    """What a killed run left in the folder is put away; retries that it made still count, so that none are won by it."""
    run = RunStore.create(tmp_path, None, [], ENVIRONMENT, [case("a")])
    folder = run.case_dir(case("a"))
    with pytest.raises(StopIteration):  # the run is killed in its second attempt
        judged_attempt(folder, 1, giving(folder, [LAUNCH]))
    (folder / "rank-0.log").write_text("half")
    verdict = judged_attempt(folder, 1, giving(folder, [LOST, HUNG]))
    assert verdict is LOST
    line = run.record(CaseRecord(case("a"), verdict, False, [], "again", 1.0))
    assert line.attempt_texts == f"attempt 1: invalid (launch): no mpiexec\nattempt 2: {KILLED}"
    assert (folder / "attempt-2" / "rank-0.log").read_text() == "half"


def test_the_case_itself_is_no_evidence(tmp_path: Path) -> None:
    """A folder that holds only case.json is a fresh one."""
    run = RunStore.create(tmp_path, None, [], ENVIRONMENT, [case("a")])
    folder = run.case_dir(case("a"))
    judged_attempt(folder, 1, giving(folder, [HUNG]))
    assert not (folder / "attempt-1").exists()


def test_what_a_continued_run_tries_again(tmp_path: Path) -> None:
    """What was judged stays; a case without a verdict runs, and one that may be tried again, as long as it may."""
    plan = [PlannedCase(case(name)) for name in "abc"]
    store = RunStore.create(tmp_path, None, [], ENVIRONMENT, plan)
    for one, verdict in zip(plan, (HUNG, LAUNCH), strict=False):
        store.record(CaseRecord(one.case, verdict, False, [], "again", 1.0))
    kept = [[Run(store, find(), Silent(), retries=retries).kept(one) for one in plan] for retries in (0, 1)]
    assert kept == [[True, True, False], [True, False, False]]
    judged_attempt(store.case_dir(case("b")), 1, giving(store.case_dir(case("b")), [LOST, HUNG]))  # and killed at its end
    store.record(CaseRecord(case("b"), LOST, False, [], "again", 1.0))
    assert Run(store, find(), Silent(), retries=1).kept(plan[1])
