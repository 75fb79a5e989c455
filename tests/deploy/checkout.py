"""A checkout as a CI server has it, with one planted hang as its only scenario, in which the steps of a CI file run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BASELINE = "reports/baselines/night.json"  # docs/cluster.md makes it


def checkout(folder: Path) -> Path:
    """A clone whose environment is the one of these tests, and up to date for make."""
    subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(folder)], check=True, timeout=60)
    (folder / ".venv").symlink_to(sys.prefix)
    for path in (*folder.glob("requirements/*"), folder / "pyproject.toml"):
        os.utime(path, (0, 0))
    text = (folder / "scenarios/control/planted-hangs.yaml").read_text()
    subprocess.run(["git", "rm", "-rq", "scenarios"], cwd=folder, check=True, timeout=60)
    first, rest = text.split("    - []\n")
    entry = next(line for line in rest.splitlines() if "{faults: []}" in line)
    (folder / "scenarios").mkdir()
    (folder / "scenarios/planted-hangs.yaml").write_text(f"{first}    - []\nexpect:\n{entry}\n")
    return folder


def of_another_machine(baseline: Path) -> None:
    """Make a baseline one whose times are not compared: this machine may be busier now than it was."""
    raw = json.loads(baseline.read_text())
    raw["environment"]["cores"] = 1000
    baseline.write_text(json.dumps(raw))


@contextmanager
def another_blame(folder: Path) -> Iterator[None]:
    """Make nights red: the hang is there, and the scenario says that another rank is to blame."""
    path = folder / "scenarios/planted-hangs.yaml"
    text = path.read_text()
    path.write_text(text.replace("blame: [1]", "blame: [0]"))
    try:
        yield
    finally:
        path.write_text(text)


def run(shell: Sequence[str], script: str, folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A script as a CI server runs it; the environment is that of these tests without their virtual environment's."""
    bin = str(Path(sys.prefix) / "bin")
    path = os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if part != bin)
    clean = {
        name: text for name, text in os.environ.items() if name not in ("VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    merged = {**clean, "PATH": path, **environment}
    return subprocess.run([*shell, script], cwd=folder, env=merged, capture_output=True, text=True, timeout=100, check=False)
