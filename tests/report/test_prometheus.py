"""The Prometheus textfile, read back with the parser of prometheus_client."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from lockstep.harness.cli import main
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report.exit_code import exit_code
from lockstep.harness.report.line import NOT_RUN, Line, not_judged
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.prometheus import NAMED_CASES, render
from lockstep.harness.report.rebuild import rebuild
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.result import STANDINGS
from lockstep.harness.report.store import RunStore
from lockstep.harness.vocabulary import CAUSES, Cause, Outcome

from .samples import ENVIRONMENT, NAMES, case, hang, store, success

pytestmark = pytest.mark.slow  # starts processes, or torch

RUN: dict[str, Any] = {"run": "r", "started": "2026-11-24T13:15:02.500000+00:00", "environment": {}, "options": {}}
PLAN = {"id": "a", "scenario": "a", "path": "scenarios/a.yaml", "slug": "a"}
Samples = dict[str, dict[tuple[tuple[str, str], ...], float]]


def parsed(text: str) -> Samples:
    """Every sample by its name and its labels; none twice."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.type == "gauge"
        assert family.documentation
        for sample in family.samples:
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in found.setdefault(sample.name, {})
            found[sample.name][labels] = sample.value
    return found


def by(samples: Samples, name: str, *labels: str) -> dict[Any, float]:
    """The samples of a metric by one label's value, or by several."""
    values = {tuple(dict(key)[label] for label in labels): value for key, value in samples[name].items()}
    assert len(values) == len(samples[name])
    return {key[0] if len(key) == 1 else key: value for key, value in values.items()}


def night(root: Path) -> RunStore:
    """A second shard with a planted hang that was not found, a retried one, and one that cannot be judged."""
    plan = [PlannedCase(case(NAMES[0]), planted=True), PlannedCase(case(NAMES[1])), PlannedCase(case(NAMES[2]))]
    run = RunStore.create(root, None, [], ENVIRONMENT, plan, {"shard": "2/2", "device": "cpu"})
    run.record(CaseRecord(case(NAMES[0]), success(), False, ["outcome is success"], "again", 2.5))
    attempt = run.case_dir(case(NAMES[1])) / "attempt-1"
    attempt.mkdir()
    run.record(CaseRecord(case(NAMES[1]), hang(), True, [], "again", 1.5))
    run.record(
        CaseRecord(case(NAMES[2]), Verdict(Outcome.INVALID, Cause.NODE_LOST, "A node fell silent."), False, [], "again", 1.0)
    )
    return run


def test_textfile_of_a_night(tmp_path: Path) -> None:
    """Counts by standing, outcome and scenario, what failed by name, planted hangs, times; shard and device everywhere."""
    run = night(tmp_path)
    found = parsed(render(run.run, run.lines))
    for samples in found.values():
        assert all({("shard", "2/2"), ("device", "cpu")} <= set(labels) for labels in samples)
    wanted = dict.fromkeys(STANDINGS, 0.0) | {"unexpected": 1.0, "expected": 1.0, "invalid": 1.0}
    assert by(found, "lockstep_cases", "standing") == wanted
    verdicts = by(found, "lockstep_verdicts", "outcome", "cause")
    assert len(verdicts) == 1 + sum(map(len, CAUSES.values()))
    counted = {("success", ""): 1.0, ("hang", "deadlock"): 1.0, ("invalid", "node-lost"): 1.0}
    assert {kind: count for kind, count in verdicts.items() if count} == counted
    assert by(found, "lockstep_scenario_cases", "scenario") == {
        "generation-capture-asymmetric": 2,
        "autotuner-asymmetric": 1,
    }
    failed = by(found, "lockstep_scenario_cases_failed", "scenario")
    assert failed == {"generation-capture-asymmetric": 1, "autotuner-asymmetric": 1}
    assert by(found, "lockstep_case_failed", "case", "standing") == {(NAMES[0], "unexpected"): 1, (NAMES[2], "invalid"): 1}
    assert by(found, "lockstep_planted_hangs", "shard") == {"2/2": 1}
    assert by(found, "lockstep_planted_hangs_undetected", "shard") == {"2/2": 1}
    assert by(found, "lockstep_run_exit_code", "shard") == {"2/2": exit_code(run.lines)} == {"2/2": 4}
    assert by(found, "lockstep_run_case_seconds", "shard") == {"2/2": 5.0}
    assert by(found, "lockstep_launch_retries", "shard") == {"2/2": 1}
    assert by(found, "lockstep_last_block_to_verdict_seconds", "of") == {"median": 0.21, "max": 0.21}
    assert by(found, "lockstep_run_info", "run") == {run.id: 1}


def test_info_and_times() -> None:
    """The info sample has the environment of the run, the times are Unix times; a run without a verdict has no last one."""
    environment = {
        "host": "n1",
        "libraries": {"torch": "2.13.0"},
        "mpi": {"launcher": "hydra", "version": "5.0.2"},
        "commit": None,
    }
    found = parsed(render({**RUN, "environment": environment}, [not_judged(PLAN)]))
    ((labels, value),) = found["lockstep_run_info"].items()
    wanted = {"run": "r", "host": "n1", "lockstep": "", "commit": "", "torch": "2.13.0", "mpi": "hydra 5.0.2"}
    wanted |= {"device": "", "shard": ""}
    assert (dict(labels), value) == (wanted, 1.0)
    assert by(found, "lockstep_run_timestamp_seconds", "shard") == {"": 1795526102.5}
    assert "lockstep_run_last_verdict_timestamp_seconds" not in found
    assert by(found, "lockstep_run_exit_code", "shard") == {"": 3}


CAUSE = {"hang": "stall", "success": "", "invalid": "harness", NOT_RUN: ""}
NAMED = st.dictionaries(st.text(), st.tuples(st.text(), st.sampled_from(sorted(CAUSE)), st.booleans()))


@given(NAMED)
def test_any_name_is_a_label(named: dict[str, tuple[str, str, bool]]) -> None:
    """Whatever cases and scenarios are called, the file is read back, with every name as it was and nothing lost."""
    lines = [
        replace(not_judged(PLAN), case=name, scenario=scenario, outcome=outcome, cause=CAUSE[outcome], ok=ok)
        for name, (scenario, outcome, ok) in named.items()
    ]
    found = parsed(render({**RUN, "run": "".join(named)}, lines))
    (info,) = by(found, "lockstep_run_info", "run")
    assert info == "".join(named)
    assert sum(found["lockstep_cases"].values()) == len(lines)
    assert sum(found["lockstep_verdicts"].values()) == len(lines)
    assert set(by(found, "lockstep_scenario_cases", "scenario") if lines else ()) == {line.scenario for line in lines}
    failed = {line.case for line in lines if line.standing != "expected"}
    assert set(by(found, "lockstep_case_failed", "case") if failed else ()) == failed


def test_cardinality_is_bounded() -> None:
    """However many cases fail, so many are named; the rest is counted."""
    lines: list[Line] = [replace(not_judged(PLAN), case=f"a[{n}]") for n in range(NAMED_CASES + 23)]
    found = parsed(render(RUN, lines))
    assert len(found["lockstep_case_failed"]) == NAMED_CASES
    assert by(found, "lockstep_case_failed_unnamed", "shard") == {"": 23}
    assert sum(map(len, found.values())) < 160


def test_output_is_whole_or_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A collector that reads all the time while the file is written anew finds every metric, and no other *.prom file."""
    run = night(tmp_path / "runs")
    out = tmp_path / "collector" / "lockstep.prom"
    out.parent.mkdir()
    rebuild(run.path, "prometheus", output=out)
    wanted, stop = out.read_text(), threading.Event()
    seen: set[str] = set()

    def collect() -> None:
        while not stop.is_set():
            seen.update(path.read_text() for path in out.parent.glob("*.prom"))

    reader = threading.Thread(target=collect)
    reader.start()
    for _ in range(8):
        assert main(["report", str(run.path), "--format", "prometheus", "--output", str(out)]) == 0
    stop.set()
    reader.join()
    assert seen == {wanted}
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    assert out.stat().st_mode & 0o777 == 0o644  # the collector is another user
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--output", "x.prom"], "--output takes the report that --format names"),
        (["--format", "prometheus", "--output", "nowhere/x.prom"], "give a file, in a folder that is there"),
        (["--format", "prometheus", "--output", "."], "give a file, in a folder that is there"),
    ],
)
def test_bad_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """An --output that cannot be written is an error before anything is."""
    run = store(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(run.path), *words]) == 2
    assert said in capsys.readouterr().err
