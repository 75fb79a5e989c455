"""Bisection of a program that knows nothing of us: the engine `command` runs in each commit's checkout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.engines.command.plugin import ENGINE
from lockstep.harness.scenario.errors import NotInCheckout
from lockstep.harness.scenario.load import load
from tests.bisect.toy import CLEAN, linear

pytestmark = pytest.mark.timeout(300)
LOCKSTEP = str(Path(sys.executable).parent / "lockstep")
PROGRAM = """from mpi4py import MPI
world = MPI.COMM_WORLD
second = world.Dup()
({body}).Barrier()
"""
SCENARIO = """name: program
source: https://github.com/NVIDIA/TensorRT-LLM/pull/13998
summary: A program of two ranks.
engine: command
config: {argv: [python, %s], processes: 2}
expect: [{outcome: success}]
"""


def scenario(folder: Path, program: str = "run/program.py") -> Path:
    """A scenario file that runs the program."""
    path = folder / "program.yaml"
    path.write_text(SCENARIO % program)
    return path


def test_the_commit_that_hangs_a_program_is_found(tmp_path: Path) -> None:
    """Ranks meet on two communicators from commit 5 of 8 on; `lockstep bisect` names it, and leaves no worktree."""

    def files(number: int) -> dict[str, str]:
        body = "world if world.rank else second" if number >= 5 else "world"
        return {"run/program.py": PROGRAM.format(body=body)}

    toy = linear(tmp_path / "toy", 8, lambda number: CLEAN, extra=files)
    where = ["--repo", str(toy.path), "--good", toy.commits[0], "--bad", toy.commits[-1], "--state", str(tmp_path / "state")]
    words = [LOCKSTEP, "bisect", str(scenario(tmp_path)), *where, "--json"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["found"] == [toy.commits[5]]
    assert len(toy.git("worktree", "list").splitlines()) == 1


def test_the_checkouts_folder(tmp_path: Path) -> None:
    """The command runs in the checkout; `{tree}` stands for it anywhere, and without a checkout the case lacks it."""
    (case,) = load(scenario(tmp_path))
    assert ENGINE.lacks(case.spec) == ""
    assert ENGINE.at(case.spec, str(tmp_path))["cwd"] == str(tmp_path)
    (case,) = load(scenario(tmp_path, '"{tree}/bin/serve"'))
    assert ENGINE.lacks(case.spec).startswith("{tree} stands for a checkout")
    assert ENGINE.at(case.spec, str(tmp_path))["config"]["argv"] == ["python", f"{tmp_path}/bin/serve"]


def test_a_commit_without_the_folder_is_skipped(tmp_path: Path) -> None:
    """Where the working directory or the program is not there, nothing can be said of that commit."""
    (case,) = load(scenario(tmp_path), {"config.cwd": "src"})
    with pytest.raises(NotInCheckout, match="there is no such folder in this commit"):
        ENGINE.at(case.spec, str(tmp_path))
    (case,) = load(scenario(tmp_path), {"config.argv": ["{tree}/bin/serve"]})
    with pytest.raises(NotInCheckout, match="there is no such program in this commit"):
        ENGINE.at(case.spec, str(tmp_path))
