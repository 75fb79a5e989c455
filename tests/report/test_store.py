"""The folder of a run."""

from __future__ import annotations

import errno
import json
import os
import re
import threading
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lockstep.harness import cli
from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report.files import locked
from lockstep.harness.report.frame import cases_frame
from lockstep.harness.report.names import new_run_id, point, slug
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore
from lockstep.harness.scenario.errors import ScenarioError

from .samples import ENVIRONMENT, NAMES, case, hang, store, success


def test_run_json_holds_the_plan(tmp_path: Path) -> None:
    """A run says from its start what it will judge, how it was started and where."""
    run = store(tmp_path)
    raw = json.loads((run.path / "run.json").read_text())
    assert raw["schema"] == "lockstep.run/1"
    assert raw["run"] == run.path.name == run.id
    assert raw["argv"] == ["lockstep", "run", "scenarios"]
    assert raw["environment"] == ENVIRONMENT
    assert [(entry["id"], entry["path"]) for entry in raw["plan"]] == [(name, case(name).path) for name in NAMES]
    assert pd.Timestamp(raw["started"]).tzinfo is not None


def test_verdict_file(tmp_path: Path) -> None:
    """A case's folder holds the whole case and the whole verdict, which reads back as it was."""
    run = store(tmp_path)
    folder = run.case_dir(case(NAMES[0]))
    (folder / "stacks").mkdir()
    (folder / "stacks/rank-0.txt").write_text("main")
    (folder / "rank-0.log").write_text("hello")
    run.record(CaseRecord(case(NAMES[0]), hang(), False, ["outcome is hang, not success"], "lockstep run a.yaml -k b", 6.5))
    raw = json.loads((folder / "verdict.json").read_text())
    assert Verdict.from_json(raw) == hang()
    assert (raw["case"], raw["run"], raw["rerun"]) == (NAMES[0], run.id, "lockstep run a.yaml -k b")
    assert raw["expected"] == {"ok": False, "differences": ["outcome is hang, not success"]}
    assert raw["evidence"] == ["case.json", "rank-0.log", "stacks/rank-0.txt"]
    assert (raw["environment"], raw["seconds"]) == (ENVIRONMENT, 6.5)
    saved = json.loads((folder / "case.json").read_text())
    assert (saved["id"], saved["spec"], saved["expect"]["blame"]) == (NAMES[0], {"parallel": {"tp": 4}}, [3])
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_cases_jsonl_is_flat_and_grows_case_by_case(tmp_path: Path) -> None:
    """After each case its line is on disk, and pandas reads the file as a table of scalars."""
    run = store(tmp_path)
    for count, (name, verdict) in enumerate(zip(NAMES, (hang(), success(), success()), strict=True), 1):
        run.record(CaseRecord(case(name), verdict, True, [], "again", 1.0))
        assert len(cases_frame(run.path)) == count
    frame = pd.read_json(run.path / "cases.jsonl", lines=True)
    assert list(frame.case) == list(NAMES)
    assert list(frame.outcome) == ["hang", "success", "success"]
    assert frame.loc[0, "last_block_to_verdict_s"] == 0.21
    for line in (run.path / "cases.jsonl").read_text().splitlines():
        assert not any(isinstance(value, dict | list) for value in json.loads(line).values())


def test_latest_is_the_last_run(tmp_path: Path) -> None:
    """`latest` points at the run that was started last, and a run opened through it stays that run."""
    first = store(tmp_path)
    opened = RunStore.open(tmp_path / "latest")
    second = store(tmp_path)
    assert (tmp_path / "latest").resolve() == second.path
    assert opened.path == first.path
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([first.id, second.id, "latest"])


def test_open_continues_a_run(tmp_path: Path) -> None:
    """A run opened again has the verdicts that were recorded and takes further ones."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again", 1.0))
    again = RunStore.open(run.path)
    assert again.lines == run.lines
    again.record(CaseRecord(case(NAMES[1]), success(), True, [], "again", 1.0))
    assert [line.outcome for line in RunStore.open(run.path).lines] == ["hang", "success", "invalid"]


def test_cases_recorded_at_once(tmp_path: Path) -> None:
    """Cases that end at the same time in several threads all have a whole line and stand in the reports."""
    names = [f"case-{n}" for n in range(12)]
    run = store(tmp_path, names)
    threads = [
        threading.Thread(target=run.record, args=(CaseRecord(case(name), success(), True, [], "again", 1.0),))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(cases_frame(run.path).case) == sorted(names)
    assert "12 as expected" in (run.path / "summary.md").read_text()


def test_records_and_rebuilds_take_turns(tmp_path: Path) -> None:
    """While a rebuild holds the run, a case that ends is recorded after it, not in between."""
    run = store(tmp_path)
    recorder = threading.Thread(target=run.record, args=(CaseRecord(case(NAMES[0]), success(), True, [], "again", 1.0),))
    with locked(run.path / "run.json"):
        recorder.start()
        recorder.join(0.5)
        assert recorder.is_alive()
        assert cases_frame(run.path).empty
    recorder.join()
    assert list(cases_frame(run.path).case) == [NAMES[0]]


def test_readme_names_every_column(tmp_path: Path) -> None:
    """reports/README.md lists the columns of cases.jsonl, in order and no other."""
    page = (Path(__file__).parents[2] / "reports/README.md").read_text()
    section = page.split("\n## Columns of cases.jsonl\n", 1)[1].split("\n## ", 1)[0]
    run = store(tmp_path)
    columns = list(run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again", 1.0)).flat())
    rows = [row.split("|")[1] for row in section.splitlines() if row.startswith("| `")]
    assert [name for row in rows for name in re.findall("`([^`]+)`", row)] == columns


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    """A run id that exists, and case ids that are not unique, are refused."""
    RunStore.create(tmp_path, "nightly", [], {}, [])
    with pytest.raises(ScenarioError, match="--run-id nightly: there is such a run"):
        RunStore.create(tmp_path, "nightly", [], {}, [])
    with pytest.raises(ValueError, match="case ids are not unique in this run: a"):
        RunStore.create(tmp_path, None, [], {}, [case("a"), case("a")])


def test_open_refuses_other_folders(tmp_path: Path) -> None:
    """A folder without run.json, or of another version, is an error that says so."""
    with pytest.raises(ValueError, match="not the folder of a run"):
        RunStore.open(tmp_path)
    (tmp_path / "run.json").write_text('{"schema": "lockstep.run/99"}')
    with pytest.raises(ValueError, match="schema is not 'lockstep"):
        RunStore.open(tmp_path)


def test_case_json_is_the_case_that_ran(tmp_path: Path) -> None:
    """When a killed case is run again with another limit, its case.json follows."""
    run = store(tmp_path)
    run.case_dir(case(NAMES[0]))
    changed = replace(case(NAMES[0]), ranks=8)
    assert json.loads((run.case_dir(changed) / "case.json").read_text())["ranks"] == 8


def test_run_ids_sort_by_time() -> None:
    """A run id begins with the time, and many of one second are still different."""
    ids = [new_run_id() for _ in range(50)]
    assert [ident[:15] for ident in ids] == sorted(ident[:15] for ident in ids)
    assert len(set(ids)) > 45  # new_folder takes another one when an id is taken


@given(st.lists(st.text(), min_size=2, max_size=2, unique=True))
def test_slugs_are_safe_and_unique(ids: list[str]) -> None:
    """Different ids have different slugs, which are plain file names of bounded length."""
    first, second = map(slug, ids)
    assert first != second
    for name in (first, second):
        assert name
        assert len(name) < 120
        assert not name.startswith((".", "-"))
        assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


def test_slugs_are_readable() -> None:
    """A plain name is its own slug; a matrix point can be read in it."""
    assert slug("autotuner-asymmetric") == "autotuner-asymmetric"
    assert slug(NAMES[0]).startswith("generation-capture-asymmetric-guards.generation_capture-none-")


@pytest.mark.parametrize("kind", ["folder", "file", "pipe"])
def test_latest_is_somebody_elses(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where everybody writes others may take that name: the run goes on with a word, theirs stays, nothing else does."""
    link = tmp_path / "latest"
    {"folder": Path.mkdir, "file": Path.touch, "pipe": os.mkfifo}[kind](link)  # type: ignore[operator]
    before = link.lstat()
    run = store(tmp_path)
    assert (link.lstat().st_mode, link.lstat().st_ino) == (before.st_mode, before.st_ino)
    assert {path.name for path in tmp_path.iterdir()} == {"latest", run.id}
    said = capsys.readouterr().err
    what = f"{link} cannot be made a link to {run.id}: it is no link, and stays as it is; name {run.path} instead"
    assert said == f"lockstep: {what}\n"


def test_latest_may_not_be_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another's link may not be replaced, as in a folder with the sticky bit, the temporary one is removed."""
    store(tmp_path)
    before = (tmp_path / "latest").readlink()

    def refuse(path: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "replace", refuse)
    point(tmp_path / "latest", "other")
    assert (tmp_path / "latest").readlink() == before
    assert not list(tmp_path.glob(".latest*"))


def test_peek_takes_no_folder_of_that_name_for_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`latest` names the last run only as the link that a run has made."""
    (tmp_path / "reports" / "runs" / "latest").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["peek"]) == 2
    assert capsys.readouterr().err == "lockstep peek: no run goes on in reports/runs\n"
