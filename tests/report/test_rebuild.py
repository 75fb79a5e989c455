"""Reports made again from what is on disk."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from junitparser import JUnitXml

from lockstep.harness.cli import main
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report.files import read_lines
from lockstep.harness.report.frame import cases_frame
from lockstep.harness.report.line import NOT_JUDGED
from lockstep.harness.report.rebuild import rebuild
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore

from .samples import NAMES, case, hang, store, success

REPORTS = ("cases.jsonl", "junit.xml", "summary.md")


def contents(run: RunStore) -> dict[str, bytes]:
    """Every file of a run."""
    return {str(path): path.read_bytes() for path in sorted(run.path.rglob("*")) if path.is_file()}


def test_rebuild_changes_nothing_in_a_whole_run(tmp_path: Path) -> None:
    """What a rebuild writes is what the run wrote, byte by byte, once and twice."""
    run = store(tmp_path)
    for name, verdict in zip(NAMES, (hang(), success(), success()), strict=True):
        run.record(CaseRecord(case(name), verdict, name != NAMES[1], ["x"] * (name == NAMES[1]), "again", 1.0))
    before = contents(run)
    for _ in range(2):
        assert rebuild(run.path) == run.lines
        assert contents(run) == before


def test_rebuild_from_verdicts_alone(tmp_path: Path) -> None:
    """When all reports are gone, plan and verdict files bring them back."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[2]), hang(), True, [], "again", 1.0))
    run.record(CaseRecord(case(NAMES[0]), success(), True, [], "again", 1.0))
    before = contents(run)
    for name in REPORTS:
        (run.path / name).unlink()
    rebuild(run.path)
    assert contents(run) == before
    assert list(cases_frame(run.path).case) == [NAMES[2], NAMES[0]]  # in the order of their verdicts


def test_torn_last_line_at_every_byte(tmp_path: Path) -> None:
    """cases.jsonl cut at any byte is whole again after a rebuild; before that, whole lines can be read."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again", 1.0))
    run.record(CaseRecord(case(NAMES[1]), success(), True, [], "again", 1.0))
    path = run.path / "cases.jsonl"
    raw = path.read_bytes()
    first = raw.index(b"\n") + 1
    for size in (*range(0, first, 97), *range(first, len(raw), 41)):
        path.write_bytes(raw[:size])
        assert len(read_lines(path)) == (size >= first - 1)
        RunStore.open(run.path).repair()
        assert path.read_bytes() == raw


def test_recording_after_a_torn_line(tmp_path: Path) -> None:
    """A run that continues a killed one does not glue its line to the torn one."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again", 1.0))
    path = run.path / "cases.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    RunStore.open(run.path).record(CaseRecord(case(NAMES[1]), success(), True, [], "again", 1.0))
    assert [json.loads(line)["case"] for line in path.read_text().splitlines()] == list(NAMES[:2])


def test_missing_verdicts_are_invalid_and_not_written(tmp_path: Path) -> None:
    """A planned case without a verdict is `invalid` in every report, and gets no verdict file and no line."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again", 1.0))
    run.case_dir(case(NAMES[1]))  # it was running when the head died
    lines = rebuild(run.path)
    assert [(line.outcome, line.cause, line.judged) for line in lines[1:]] == [("invalid", "harness", False)] * 2
    assert lines[1].text == NOT_JUDGED
    assert len(cases_frame(run.path)) == 1
    assert len(list(run.path.rglob("verdict.json"))) == 1
    assert "2 could not be judged" in (run.path / "summary.md").read_text()
    assert sum(suite.errors for suite in JUnitXml.fromfile(str(run.path / "junit.xml"))) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "lockstep.verdict/99"}', '{"schema": "lockstep.verdict/1"}'])
def test_unreadable_verdict_is_invalid(tmp_path: Path, text: str) -> None:
    """A verdict file that cannot be read is `invalid` and says why; it is left as it is."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again", 1.0))
    path = run.case_dir(case(NAMES[0])) / "verdict.json"
    path.write_text(text)
    line = rebuild(run.path)[0]
    assert (line.outcome, line.ok, line.judged) == ("invalid", False, False)
    assert line.text.startswith("verdict.json cannot be read: ")
    assert path.read_text() == text


def test_formats(tmp_path: Path) -> None:
    """Each format is printed as it stands on disk; JSON has a line for each planned case."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again", 1.0))
    printed = {}
    for name in ("md", "junit", "json"):
        out = io.StringIO()
        rebuild(run.path, name, out)
        printed[name] = out.getvalue()
    assert printed["md"] == (run.path / "summary.md").read_text()
    assert printed["junit"] == (run.path / "junit.xml").read_text()
    rows = [json.loads(line) for line in printed["json"].splitlines()]
    assert [(row["case"], row["judged"]) for row in rows] == list(zip(NAMES, (True, False, False), strict=True))
    with pytest.raises(
        ValueError, match="'pdf' is unknown; there are baseline, codequality, github, md, junit, json, prometheus"
    ):
        rebuild(run.path, "pdf")


def test_baseline_has_every_case_or_is_refused(tmp_path: Path) -> None:
    """A baseline names device, verdict and signature of each case; with a case unjudged there is none."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again", 1.0))
    with pytest.raises(ValueError, match=r"2 cases of run .* have no verdict"):
        rebuild(run.path, "baseline", io.StringIO())
    for name in NAMES[1:]:
        run.record(CaseRecord(case(name), hang(), False, ["outcome"], "again", 2.0))
    out = io.StringIO()
    rebuild(run.path, "baseline", out)
    found = json.loads(out.getvalue())
    assert found["schema"] == "lockstep.baseline/1"
    assert [(entry["case"], entry["as_expected"]) for entry in found["cases"]] == [(n, n == NAMES[0]) for n in NAMES]
    assert found["cases"][0]["signature"] == hang().signature
    assert found["seconds"] == 5.0
    assert "/" not in found["argv"][0]


WRITER = """
import pathlib, sys
from lockstep.harness.report.record import CaseRecord
from tests.report.samples import case, hang, store
names = [f"case-{n}" for n in range(400)]
run = store(pathlib.Path(sys.argv[1]), names)
print(run.path, flush=True)
for name in names:
    run.record(CaseRecord(case(name), hang(), True, [], "again", 1.0))
    print(name, flush=True)
"""


@pytest.mark.parametrize("more", [0, 1, 7])
def test_rebuild_after_sigkill(tmp_path: Path, more: int) -> None:
    """After `kill -9` in the middle of a run, every case that was recorded is in the rebuilt reports."""
    root = Path(__file__).parents[2]
    argv = [sys.executable, "-c", WRITER, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=root) as writer:
        stdout = writer.stdout
        assert stdout is not None
        path = Path(stdout.readline().strip())
        seen = [stdout.readline().strip() for _ in range(1 + more)]
        os.kill(writer.pid, signal.SIGKILL)
        seen += stdout.read().split()
    lines = rebuild(path)
    done = [line.case for line in lines if line.judged]
    assert set(seen) <= set(done)
    assert 1 + more <= len(done) < 400, "the writer was to be killed in the middle"
    assert list(cases_frame(path).case) == done
    for line in lines:
        verdict = path / "cases" / line.slug / "verdict.json"
        assert verdict.exists() == line.judged
        if line.judged:
            assert Verdict.from_json(json.loads(verdict.read_text())) == hang()
    assert f"{len(done)} as expected" in (path / "summary.md").read_text()


def test_an_unfinished_run_is_no_baseline(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A baseline of a run that has cases without a verdict is refused with their names, as a mistake and not as a crash."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again", 1.0))
    assert main(["report", str(run.path), "--format", "baseline"]) == 2
    said = capsys.readouterr()
    assert f"2 cases of run {run.id} have no verdict" in said.err
    assert said.out == ""
