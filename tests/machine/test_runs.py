"""Runs side by side in one folder, and runs that somebody else has made or changed."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lockstep.harness.cli import main
from lockstep.harness.commands import run as command
from lockstep.harness.commands.planning import RunPlan
from lockstep.harness.report import files
from lockstep.harness.report.store import LOCK
from tests.machine.test_faults import LOCKSTEP, PROGRAM
from tests.report.test_tampered import changed, places

CAMPAIGN = Path(__file__).parents[1] / "campaign"
WAITS = "import sys; print('up', flush=True); sys.stdin.read()"


def test_two_runs_in_one_folder(tmp_path: Path) -> None:
    """Begun at the same moment, each has a folder of its own and its own verdict; the last is found by either's name."""
    words = [str(LOCKSTEP), "watch", "-n", "2", "--", sys.executable, str(PROGRAM)]
    both = [
        subprocess.Popen([*words, what], cwd=tmp_path, stderr=subprocess.PIPE, text=True) for what in ("clean", "deadlock")
    ]
    said = [process.communicate(timeout=110)[1] for process in both]
    assert [process.returncode for process in both] == [0, 1], said
    runs = tmp_path / "reports" / "runs"
    names = {path.name for path in runs.iterdir() if path.is_dir() and not path.is_symlink()}
    assert len(names) == 2
    assert (runs / "latest").resolve().name in names
    found = [json.loads(path.read_text())["outcome"] for path in runs.glob("2*/cases/*/verdict.json")]
    assert sorted(found) == ["hang", "success"]


def test_a_name_that_another_run_has(tmp_path: Path) -> None:
    """The second is refused, and costs the first nothing."""
    words = [str(LOCKSTEP), "watch", "--run-id", "x", "--", sys.executable, "-c", WAITS]
    with subprocess.Popen(words, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"up\n"
        second = subprocess.run(words, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        assert second.returncode == 2
        assert b"Traceback" not in second.stderr
        first.communicate(timeout=60)
        assert first.returncode == 0


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[RunPlan]]:
    """A run that was planned and never went on, and the plans of those that would go on with it: nothing is launched."""
    plans: list[RunPlan] = []

    def planned(options: object, wanted: object, store: object, plan: RunPlan, *more: object) -> int:
        plans.append(plan)
        return 0

    monkeypatch.setattr(command, "_run", planned)
    assert main(["run", str(CAMPAIGN / "two_ranks.yaml"), "--reports", str(tmp_path), "--run-id", "x"]) == 0
    return tmp_path / "x", plans


def resumed(folder: Path) -> int:
    """The exit code."""
    return main(["run", "--resume", "x", "--reports", str(folder.parent)])


def test_a_run_that_goes_on_is_not_continued(made: tuple[Path, list[RunPlan]], capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever holds its lock is at it; when that is gone anybody may go on."""
    folder, plans = made
    with files.held(folder / LOCK):
        assert resumed(folder) == 2
    assert "is still going on" in capsys.readouterr().err
    assert resumed(folder) == 0
    assert plans[0].plan == plans[1].plan


def test_a_plan_that_somebody_has_changed(made: tuple[Path, list[RunPlan]], capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever, and whatever stands there now: what goes on is the plan that was made, or nothing, with a sentence."""
    folder, plans = made
    file = folder / "run.json"
    good = json.loads(file.read_text())
    draw = random.Random("resume")
    inside = [path for path in places(good) if path and path[0] in ("plan", "options", "environment", "run", "schema")]
    wanted = {(one.case.id, one.repetition) for one in plans[0].plan}
    codes = set()
    for path in draw.sample(inside, min(40, len(inside))):
        file.write_text(json.dumps(changed(good, path, draw)))
        before = len(plans)
        code = resumed(folder)
        codes.add(code)
        said = capsys.readouterr().err
        assert code == (0 if len(plans) > before else 2), (path, said)
        assert "Traceback" not in said
        assert "fault of Lockstep" not in said
        for plan in plans[before:]:
            assert {(one.case.id, one.repetition) for one in plan.plan} <= wanted, path
    assert codes == {0, 2}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scenarios", [str(CAMPAIGN / "failing.yaml")]),
        ("scenarios", ["/etc/passwd"]),
        ("hosts", "elsewhere:4"),
        ("all", True),
    ],
)
def test_a_run_that_names_other_scenarios(
    key: str, value: Any, made: tuple[Path, list[RunPlan]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Options from elsewhere have nothing else run than the plan beside them says."""
    folder, plans = made
    file = folder / "run.json"
    run = copy.deepcopy(json.loads(file.read_text()))
    run["options"][key] = value
    file.write_text(json.dumps(run))
    code = resumed(folder)
    said = capsys.readouterr().err
    wanted = {one.case.id for one in plans[0].plan}
    assert code in (2, 3) or {one.case.id for one in plans[-1].plan} <= wanted, said
    assert "fault of Lockstep" not in said
