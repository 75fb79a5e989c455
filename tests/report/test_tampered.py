"""Folders of runs that somebody has changed: read as far as they are right, refused in a sentence, never a traceback."""

from __future__ import annotations

import copy
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.report.rebuild import FORMATS, rebuild
from lockstep.harness.report.record import CaseRecord
from lockstep.harness.report.store import RunStore
from lockstep.harness.scenario.errors import ScenarioError

from .samples import ENVIRONMENT, NAMES, case, hang, store, success

STRANGE: tuple[Any, ...] = (None, 7, -1.5, "x", [], {}, [None], {"a": 1}, True, [[[]]])


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inside for found in places(one, (*path, key)))]


def changed(value: Any, path: tuple[Any, ...], draw: random.Random) -> Any:
    """The value with something else at a place, or nothing."""
    if not path:
        return draw.choice(STRANGE)
    found = copy.deepcopy(value)
    inside = found
    for key in path[:-1]:
        inside = inside[key]
    if draw.random() < 0.3:
        del inside[path[-1]]
    else:
        inside[path[-1]] = draw.choice(STRANGE)
    return found


def renders(run: RunStore, form: str) -> None:
    """A report is made; only a baseline may be refused, as it takes complete runs only."""
    try:
        assert isinstance(FORMATS[form](run.run, run.lines), str)
    except ValueError:
        assert form == "baseline"


@pytest.mark.parametrize("name", ["run.json", "verdict.json", "not-run.jsonl"])
def test_any_change_of_a_file(name: str, tmp_path: Path) -> None:
    """Whatever stands in a file of a run, every report is made, or the run is refused by ValueError."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), False, ["cause"], "again", 1.0))
    run.record(CaseRecord(case(NAMES[1]), success(), True, [], "again", 1.0))
    run.leave_out(case(NAMES[2]), 1, "no time")
    file = run.path / name if name != "verdict.json" else next((run.path / "cases").glob("*/verdict.json"))
    good = json.loads(file.read_text())
    draw = random.Random(name)
    for path in draw.sample(places(good), min(60, len(places(good)))):
        file.write_text(json.dumps(changed(good, path, draw)))
        try:
            found = RunStore.open(run.path)
        except ValueError as error:
            assert name == "run.json", error
            continue
        for form in FORMATS:
            renders(found, form)


def test_verdict_of_another_case(tmp_path: Path) -> None:
    """A good verdict that was copied from another case is not believed."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), False, [], "again", 1.0))
    run.record(CaseRecord(case(NAMES[1]), success(), True, [], "again", 1.0))
    good = run.case_dir(case(NAMES[1])) / "verdict.json"
    (run.case_dir(case(NAMES[0])) / "verdict.json").write_bytes(good.read_bytes())
    line = RunStore.open(run.path).line(case(NAMES[0]))
    assert (line.standing, line.judged) == ("invalid", False)
    assert f"is that of another case: {NAMES[1]}" in line.text


@pytest.mark.parametrize("name", ["run.json", "verdict.json"])
def test_pipe_in_the_place_of_a_file(name: str, tmp_path: Path) -> None:
    """A named pipe is not waited for."""
    run = store(tmp_path)
    run.record(CaseRecord(case(NAMES[0]), hang(), True, [], "again", 1.0))
    file = run.path / name if name == "run.json" else run.case_dir(case(NAMES[0])) / name
    file.unlink()
    os.mkfifo(file)
    if name == "run.json":
        with pytest.raises(ValueError, match="not a regular file"):
            RunStore.open(run.path)
    else:
        assert "not a regular file" in rebuild(run.path)[0].text


@pytest.mark.parametrize("run_id", ["../escaped", "a/b", "/tmp/absolute", "..", "latest"])
def test_run_id_is_a_name(run_id: str, tmp_path: Path) -> None:
    """A run is made below the folder of runs, and nowhere else."""
    with pytest.raises(ScenarioError, match="give a plain name"):
        RunStore.create(tmp_path / "runs", run_id, ["lockstep"], ENVIRONMENT, [case("a")])
    assert not list(tmp_path.rglob("run.json"))
