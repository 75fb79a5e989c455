"""`lockstep bisect` on a generated upstream repository: each commit's own warm-up code is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from lockstep.engines.source.plugin import ENGINE
from lockstep.harness.scenario.errors import NotInCheckout
from lockstep.harness.scenario.load import load
from tests.source.trees import ALONE, TOGETHER, engine_tree, runner_tree, write

BASE = "tests/source/base.yaml"


def git(repository: Path, *words: str) -> str:
    """A git command in a repository."""
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(["git", "-C", str(repository), *identity, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commits(repository: Path, trees: Sequence[tuple[Callable[..., Path], str]]) -> list[str]:
    """A commit for each layout and capture loop."""
    repository.mkdir()
    git(repository, "init", "-q")
    for number, (plant, guard) in enumerate(trees):
        write(plant(repository, guard), "NEWS", f"{number}\n")
        git(repository, "add", "-A")
        git(repository, "commit", "-qm", f"Commit {number}")
    return git(repository, "rev-list", "--reverse", "HEAD").split()


@pytest.mark.timeout(300)
def test_the_commit_that_lost_its_guard(tmp_path: Path) -> None:
    """It is found over a move of the code to another file: a signature knows phases and decisions, not lines."""
    made = commits(tmp_path / "upstream", [(engine_tree, TOGETHER), (engine_tree, ALONE), (runner_tree, ALONE)])
    command = [str(Path(sys.executable).parent / "lockstep"), "bisect", BASE, "--good", made[0], "--bad", made[-1]]
    where = ["--repo", str(tmp_path / "upstream"), "--state", str(tmp_path / "state"), "--json"]
    done = subprocess.run([*command, *where], capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["found"] == [made[1]]


def test_a_checkout_without_the_files(tmp_path: Path) -> None:
    """Neither good nor bad: there is nothing to run in it."""
    (case,) = load(Path(BASE))
    assert ENGINE.at(case.spec, str(engine_tree(tmp_path / "a")))["config"]["tree"] == str(tmp_path / "a")
    with pytest.raises(NotInCheckout, match="is no tree of TensorRT-LLM"):
        ENGINE.at(case.spec, str(tmp_path))
