"""docs/nightly.md is true: its commands and its Python run, its waives are read, its words are those of the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from lockstep.harness.campaign.compare import KINDS
from lockstep.harness.campaign.waives import Meanwhile, load_waives
from lockstep.harness.scenario.load import load_all

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "nightly.md").read_text()
BIN = Path(sys.executable).parent


@pytest.mark.timeout(600)
def test_commands_and_python(tmp_path: Path) -> None:
    """Each command ends well where a planted hang is all that there is; the run that is continued keeps its verdict."""
    (tmp_path / "scenarios").mkdir()
    text = (ROOT / "scenarios/control/planted-hangs.yaml").read_text()
    first, rest = text.split("    - []\n")  # one point of the matrix: the page is about commands
    entry = next(line for line in rest.splitlines() if "{faults: []}" in line)
    (tmp_path / "scenarios/planted-hangs.yaml").write_text(f"{first}    - []\nexpect:\n{entry}\n")
    (tmp_path / "reports/baselines").mkdir(parents=True)
    commands = re.findall(r"^lockstep .*$", PAGE, re.MULTILINE)
    assert len(commands) >= 10
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    printed: dict[str, str] = {}
    for command in commands:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}{done.stdout}"
        printed[command] = done.stdout + done.stderr
    assert "1 of 1 cases are judged and kept" in printed["lockstep run --resume monday"]
    repeated = next(text for command, text in printed.items() if "--repeat" in command)
    told = " ".join(repeated.split())  # it is folded
    assert "2 clean launches would have missed a fault that shows in 77.6 % of launches" in told
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, timeout=100, capture_output=True)


def test_waives(tmp_path: Path) -> None:
    """The example is read, and fits cases that there are; the page names what `meanwhile` takes."""
    (example,) = re.findall(r"<!-- waives -->\n```yaml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "waives.yaml"
    path.write_text(example)
    found = load_waives(path, load_all([ROOT / "scenarios"]), date(2026, 11, 25), complete=True)
    assert {waive.kind for waive in found.values()} == {"always", "flaky"}
    for name in Meanwhile.model_fields:
        assert f"`{name}`" in PAGE


def test_kinds_of_change() -> None:
    """The table lists every kind of change, in order and no other."""
    section = PAGE.split("| kind | worse | what |\n", 1)[1].split("\n\n", 1)[0]
    rows = [row.split("|")[1] for row in section.splitlines()[1:]]
    assert tuple(name for row in rows for name in re.findall("`([^`]+)`", row)) == KINDS
