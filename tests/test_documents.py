"""The documents are true: what they name is there, every command in the README runs."""

from __future__ import annotations

import ast
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


def names_of(path: Path) -> set[str]:
    """Functions and classes of a file, methods as `Class.method`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef):
            found |= {node.name, *(f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef))}
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


def test_architecture_names_what_exists() -> None:
    """Every file, class and function that ARCHITECTURE.md names is there."""
    named = re.findall(r"`((?:harness|engines)/[\w/]+\.py)(?::([\w.]+))?`", ARCHITECTURE)
    assert len(named) >= 30
    for path, name in named:
        assert (ROOT / path).is_file(), path
        assert not name or name in names_of(ROOT / path), f"{path}:{name}"


def test_architecture_has_every_room() -> None:
    """ARCHITECTURE.md has a paragraph on each package of the harness and of the minimal engine."""
    rooms = {
        path.name
        for top in ("harness", "engines/minimal")
        for path in (ROOT / top).iterdir()
        if (path / "__init__.py").is_file()
    }
    assert {room for room in rooms if f"**{room}**" not in ARCHITECTURE} == set()


def test_architecture_is_short() -> None:
    """ARCHITECTURE.md can be read in one go."""
    assert len(ARCHITECTURE.splitlines()) <= 110


def test_every_file_says_what_it_owns() -> None:
    """`make files` has a sentence for every file of the product."""
    done = subprocess.run(["make", "--no-print-directory", "files"], cwd=ROOT, capture_output=True, text=True, check=True)
    table = dict(re.findall(r"^\| `(.+?)` \| (.+) \|$", done.stdout, re.MULTILINE))
    sources = {
        str(path.relative_to(ROOT))
        for top in ("harness", "engines", "benchmarks")
        for path in (ROOT / top).rglob("*.py")
        if path.name != "__init__.py"
    }
    assert set(table) == sources
    assert all(table.values())


def commands() -> list[str]:
    """The `lockstep` command lines of the README."""
    found = re.findall(r"^(lockstep [^\n#]+?)\s*(?:#.*)?$", README, re.MULTILINE)
    assert len(found) >= 6
    return found


def finding() -> str:
    """What the README begins with, but for who waits where, as one line."""
    (quoted,) = re.findall(r"^(?:> .*\n)+", README, re.MULTILINE)
    return " ".join(quoted.replace("> ", "").split()).partition(" Now ")[0]


def test_the_readme_fits_a_terminal() -> None:
    """No line is longer than 80 columns, but for one that is a link alone; the finding comes first."""
    long = [line for line in README.splitlines() if len(line) > 80 and not line.startswith(("([", "["))]
    assert long == []
    assert README.splitlines()[2].startswith("> Rank 3 left out")


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
        if command.endswith("-v"):
            assert finding() in done.stderr


@pytest.mark.parametrize("target", ["repro", "test"])
def test_readme_make_targets(target: str) -> None:
    """The make targets of the README exist, and do what their line says."""
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"repro": "lockstep run scenarios/tensorrt_llm", "test": "-m pytest"}[target] in done.stdout
