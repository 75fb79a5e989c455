"""The documents are true: every file has its line, every command in the README runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()


def sources() -> set[str]:
    """The project's own files that a reader meets, as paths."""
    found = {path for top in ("harness", "engines", "benchmarks") for path in (ROOT / top).rglob("*.py")}
    return {str(path.relative_to(ROOT)) for path in found if path.read_text().strip() and path.name != "__init__.py"}


def test_architecture_has_a_line_for_every_file() -> None:
    """ARCHITECTURE.md names each file once, and none that is not there."""
    named = re.findall(r"^\| `([^`]+\.py)` \|", ARCHITECTURE, re.MULTILINE)
    assert sorted(named) == sorted(sources())


def commands() -> list[str]:
    """The `lockstep` command lines of the README."""
    found = re.findall(r"^(lockstep [^\n#]+?)\s*(?:#.*)?$", README, re.MULTILINE)
    assert len(found) >= 6
    return found


@pytest.mark.timeout(400)
def test_readme_commands(tmp_path: Path) -> None:
    """Every command of the README runs, in its order, and ends well."""
    (tmp_path / "scenarios").symlink_to(ROOT / "scenarios")
    bin = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{bin}:{os.environ['PATH']}"}  # as in an activated environment
    for command in commands():
        words = [str(bin / "lockstep"), *shlex.split(command)[1:]]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.mark.parametrize("target", ["repro", "test"])
def test_readme_make_targets(target: str) -> None:
    """The make targets of the README exist, and do what their line says."""
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"repro": "lockstep run scenarios/tensorrt_llm", "test": "-m pytest"}[target] in done.stdout
