"""The history: what is in the index, and that it is the same however it came about."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lockstep.harness.judge.verdict import Verdict
from lockstep.harness.report.history import FILE, history_frame, rates, update
from lockstep.harness.report.names import slug
from lockstep.harness.report.pages.history_page import history_page
from lockstep.harness.report.plan import PlannedCase
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore
from lockstep.harness.vocabulary import Cause, Outcome
from tests.campaign.test_command_line import lockstep

from .samples import case, hang, success

pytestmark = pytest.mark.slow  # starts processes, or torch

LOST = Verdict(Outcome.INVALID, Cause.NODE_LOST, "silent")


def add(
    root: Path,
    name: str,
    commit: str,
    verdicts: list[Verdict | None],
    torch: str = "2.13.0",
    more: dict[str, Any] | None = None,
) -> RunStore:
    """A run of one case, several times; None: not judged. `more`: of its environment."""
    libraries = {"torch": torch, "mpich": "5.0.2", "numpy": "2"}
    environment = {"commit": "of the harness", "host": "h", "libraries": libraries, **(more or {})}
    plan = [PlannedCase(case("a[x=1]"), number, engine_commit=commit) for number in range(1, len(verdicts) + 1)]
    run = RunStore.create(root, name, [], environment, plan)
    for number, verdict in enumerate(verdicts, 1):
        if verdict is not None:
            ok = verdict.outcome is Outcome.SUCCESS
            run.record(CaseRecord(case("a[x=1]"), verdict, ok, [] if ok else ["x"], "again", 1.0, number))
    return run


def dump(path: Path) -> list[str]:
    """All that is in an index."""
    index = sqlite3.connect(path)
    try:
        return list(index.iterdump())
    finally:
        index.close()


def test_rates_by_commit_and_libraries(tmp_path: Path) -> None:
    """Runs of one commit and one set of libraries are one row; what was not judged counts as neither good nor bad."""
    add(tmp_path, "r1", "c1", [success(), success(), hang()])
    add(tmp_path, "r2", "c1", [success(), LOST, None])
    add(tmp_path, "r3", "c2", [hang()])
    add(tmp_path, "r4", "c2", [success()], torch="2.14.0")
    found = rates(history_frame(update(tmp_path)))
    rows = found[["scenario", "engine_commit", "libraries", "runs", "launches", "not_judged", "failed", "hangs"]]
    assert rows.values.tolist() == [
        ["a", "c1", "torch-2.13.0 mpich-5.0.2", 2, 4, 2, 1, 1],
        ["a", "c2", "torch-2.13.0 mpich-5.0.2", 1, 1, 0, 1, 1],
        ["a", "c2", "torch-2.14.0 mpich-5.0.2", 1, 1, 0, 0, 0],
    ]
    assert found.rate.tolist() == [0.25, 1.0, 0.0]
    assert found.low[0] < 0.25 < found.high[0]


def test_rows_of_earlier_versions_and_of_many_hosts(tmp_path: Path) -> None:
    """A run that names no commit of its engine counts for the one of Lockstep; versions of all hosts of a run are told."""
    hosts = [{"name": name, "libraries": {"torch": torch, "mpich": "5.0.2"}} for name, torch in (("a", "2"), ("b", "3"))]
    run = add(tmp_path, "r1", "c1", [success()], more={"hosts": hosts})
    text = (run.path / "run.json").read_text()
    add(tmp_path, "r2", "c1", [success()])
    raw = json.loads(text)
    del raw["plan"][0]["engine_commit"]
    (run.path / "run.json").write_text(json.dumps(raw))
    frame = history_frame(update(tmp_path))
    assert frame[["run", "engine_commit", "host", "libraries"]].values.tolist() == [
        ["r1", "of the harness", "a,b", "torch-2/3 mpich-5.0.2"],
        ["r2", "c1", "h", "torch-2.13.0 mpich-5.0.2"],
    ]


def test_watched_programs_are_kept_apart(tmp_path: Path) -> None:
    """Each program has rates of its own, by its whole command line: also those whose names are cut to the same."""
    long = "train.py --data a/folder/with/a/long/name --out another/folder/w..."
    for name, summary in (("r1", "python train.py 1"), ("r2", "python train.py 2"), ("r3", "python train.py 1")):
        watched = replace(case(long, path=""), scenario="watch", summary=summary)
        run = RunStore.create(tmp_path, name, [], {"commit": "c", "host": "h", "libraries": {}}, [PlannedCase(watched)])
        run.case_dir(watched)
        verdict = hang() if name == "r2" else success()
        run.record(CaseRecord(watched, verdict, name != "r2", [], "again", 1.0))
    add(tmp_path, "r4", "c1", [success()])
    frame = history_frame(update(tmp_path))
    assert sorted(rates(frame)[["scenario", "program", "launches", "failed"]].values.tolist()) == [
        ["a", "", 1, 0],
        ["watch", "python train.py 1", 2, 0],
        ["watch", "python train.py 2", 1, 1],
    ]
    page = history_page(tmp_path, frame)
    assert all(f"python train.py {number}" in page for number in (1, 2))
    (tmp_path / "r1" / "cases" / slug(long) / "case.json").unlink()
    assert long in set(history_frame(update(tmp_path, rebuild=True)).program)


def test_update_is_idempotent_and_equals_a_rebuild(tmp_path: Path) -> None:
    """However runs come, grow and go: the updated index is the one made anew; an update with nothing new writes nothing."""
    add(tmp_path, "r1", "c1", [success()])
    path = update(tmp_path)
    growing = add(tmp_path, "r2", "c1", [success(), None])
    update(tmp_path)
    growing.record(CaseRecord(case("a[x=1]"), hang(), False, ["x"], "again", 1.0, 2))
    shutil.rmtree(tmp_path / "r1")
    (tmp_path / "no-run").mkdir()
    (tmp_path / "bad").mkdir()
    for name in ("run.json", "cases.jsonl", "summary.md"):
        (tmp_path / "bad" / name).write_text("{")
    first = dump(update(tmp_path))
    changed = path.stat().st_mtime_ns
    assert dump(update(tmp_path)) == first
    assert path.stat().st_mtime_ns == changed
    assert dump(update(tmp_path, rebuild=True)) == first
    assert sorted(history_frame(path).run) == ["r2", "r2"]


@pytest.mark.parametrize("damage", ["not a database at all, but text that is long enough", "", "PRAGMA user_version = 99"])
def test_a_damaged_or_other_index_is_made_anew(damage: str, tmp_path: Path) -> None:
    """Nothing is lost with it, as the folders of the runs are all that it is made from."""
    add(tmp_path, "r1", "c1", [success()])
    good = dump(update(tmp_path))
    if damage.startswith("PRAGMA"):
        with sqlite3.connect(tmp_path / FILE) as index:
            index.execute(damage)
        index.close()
    else:
        (tmp_path / FILE).write_text(damage * 100)
    assert dump(update(tmp_path)) == good


def test_a_kill_half_way_loses_nothing(tmp_path: Path) -> None:
    """Killed at any moment of an update, the next one ends with the same index as if nothing had happened."""
    for number in range(20):
        add(tmp_path, f"r{number:02}", "c1", [success(), hang()])
    good = dump(update(tmp_path))
    code = "import sys, pathlib; from lockstep.harness.report import history as h; print(1, flush=True); "
    code += "h.update(pathlib.Path(sys.argv[1]))"
    for delay_s in (0.0, 0.02, 0.05):
        (tmp_path / FILE).unlink()
        child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(delay_s)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        assert dump(update(tmp_path)) == good


def test_command(tmp_path: Path) -> None:
    """A table or JSON lines, of all scenarios or one; one that no run has is said; so is a folder that is not there."""
    add(tmp_path, "r1", "c1", [success(), hang()])
    done = lockstep("history", "--reports", str(tmp_path), "--scenario", "a", check=0)
    assert "torch-2.13.0 mpich-5.0.2" in done.stdout
    (row,) = map(
        json.loads, lockstep("history", "--reports", str(tmp_path), "--json", "--rebuild", check=0).stdout.splitlines()
    )
    assert (row["scenario"], row["launches"], row["failed"]) == ("a", 2, 1)
    assert "there are a" in lockstep("history", "--reports", str(tmp_path), "--scenario", "b", check=2).stderr
    assert "no such folder" in lockstep("history", "--reports", str(tmp_path / "gone"), check=2).stderr


def test_an_empty_history(tmp_path: Path) -> None:
    """No runs give no rows, with the columns that there would be."""
    found = rates(history_frame(update(tmp_path)))
    assert isinstance(found, pd.DataFrame)
    assert found.empty
    assert "rate" in found.columns
