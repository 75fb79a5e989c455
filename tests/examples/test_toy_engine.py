"""The toy engine of examples/: an engine that Lockstep has never heard of is installed beside it and judged."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOY = ROOT / "examples" / "toy_engine"
LOCKSTEP = Path(sys.executable).parent / "lockstep"
PAGE = (ROOT / "docs" / "engine.md").read_text()
DECOY = "raise SystemExit('a module of the current folder was run instead of what is installed')\n"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for modules in which the toy engine is installed, by pip and without a network."""
    source = tmp_path_factory.mktemp("source") / "toy_engine"  # builds leave files beside what they build
    shutil.copytree(TOY, source, ignore=shutil.ignore_patterns("build", "*.egg-info"))
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(source)], check=True, timeout=100)
    return target


def lockstep(words: list[str], folder: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """The installed command, in a folder of the user's that has modules of the same names."""
    for name in ("lockstep", "toy_engine"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(DECOY)
    environment = {**os.environ, "PYTHONPATH": str(site)}
    command = [str(LOCKSTEP), *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=110, check=False)


def command(name: str) -> list[str]:
    """A command of docs/engine.md, as it stands there."""
    (found,) = re.findall(rf"^lockstep ({name} .*?)\s*(?:#.*)?$", PAGE, re.MULTILINE)
    return str(found).split()


def verdicts(folder: Path) -> dict[str, dict[str, Any]]:
    """Every verdict of the newest run, by case."""
    found = [json.loads(path.read_text()) for path in folder.glob("reports/runs/*/cases/*/verdict.json")]
    return {verdict["case"]: verdict for verdict in found}


@pytest.mark.timeout(240)
def test_its_scenario(site: Path, tmp_path: Path) -> None:
    """A real hang is proved and the decision named, a cure is a success; with a delay of its own kind in its own phase."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    done = lockstep(command("run"), tmp_path, site)
    assert done.returncode == 0, done.stdout + done.stderr
    found = verdicts(tmp_path)
    assert len(found) == 4
    for name, verdict in found.items():
        if "agree=true" in name:
            assert verdict["outcome"] == "success"
            continue
        assert (verdict["outcome"], verdict["cause"], verdict["proved"]) == ("hang", "deadlock", True)
        blame = verdict["blame"]
        assert (blame["ranks"], blame["by"], blame["phase"]) == ([1], "decision", "warmup")
        assert "skip at warmup.batch batch=4 (room=2); rank 0 chose run" in verdict["text"]


def test_the_smallest_scenario(site: Path, tmp_path: Path) -> None:
    """The one on the page is complete, and is judged as it says; reports land where the page says."""
    (text,) = re.findall(r"<!-- minimal scenario -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "a.yaml").write_text(text)
    done = lockstep(["run", "a.yaml"], tmp_path, site)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "reports" / "runs" / "latest").glob("cases/*")
    assert {"verdict.json", "rank-0.events", "rank-1.events", "stacks"} <= {path.name for path in folder.iterdir()}
    assert (tmp_path / "reports" / "runs" / "latest" / "summary.md").is_file()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"phase: load": "phase: lood", "phase: warmup, site": "phase: wramup, site"},
            [
                "matrix.faults[1][0].phase: unknown phase 'lood'; did you mean load?",
                "expect[0].decision.phase: unknown phase 'wramup'; did you mean warmup?",
            ],
        ),
        (
            {"kind: delay": "kind: kill", "tables: {room": "kv_capacity: {blocks: 1}\ntables: {roam", "  agree:": "  agre:"},
            [
                "matrix.faults[1][0].kind: input should be 'delay', got 'kill'",
                "tables.roam: unknown key; did you mean room?",
                "kv_capacity: the engine toy takes no kv_capacity; remove it",
                "matrix.agre: names nothing that can vary: agre",
            ],
        ),
    ],
)
def test_mistakes_in_its_scenario(changes: dict[str, str], said: list[str], site: Path, tmp_path: Path) -> None:
    """Its sections and phases are checked like those of any engine, with place and advice."""
    text = (TOY / "scenarios" / "toy-warmup.yaml").read_text()
    for old, new in changes.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    (tmp_path / "a.yaml").write_text(text)
    done = lockstep(["list", "a.yaml"], tmp_path, site)
    assert done.returncode == 2
    for sentence in said:
        assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_its_schema(site: Path, tmp_path: Path) -> None:
    """An editor is offered its sections, and none of another engine."""
    done = lockstep(command("schema"), tmp_path, site)
    properties = json.loads(done.stdout)["properties"]
    assert {"tables", "agree", "faults", "skew", "expect", "device"} <= set(properties)
    assert not {"parallel", "kv_capacity", "guards"} & set(properties)


def test_it_is_small() -> None:
    """An engine of its own is under 100 lines of Python, without empty ones."""
    lines = [
        line for path in TOY.rglob("toy_engine/*.py") if "build" not in path.parts for line in path.read_text().splitlines()
    ]
    assert len([line for line in lines if line.strip()]) < 100
