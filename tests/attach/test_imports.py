"""The recorder in a program's process: nothing that the program sees has changed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.supervisor.command_environment import SITE


def run(code: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program with the recorder attached, but no supervisor."""
    env = {**os.environ, "PYTHONPATH": f"{SITE}{os.pathsep}{folder}", "LOCKSTEP_ATTACH": "/nowhere", **environment}
    words = [sys.executable, "-c", code]
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False)


def test_the_programs_own_sitecustomize_runs(tmp_path: Path) -> None:
    """A sitecustomize that ours hides is run, and our folder is no longer on the path."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.mine = True")
    done = run("import sys; print(sys.mine, [p for p in sys.path if p.endswith('attach/site')])", tmp_path)
    assert (done.stdout, done.stderr) == ("True []\n", "")


def test_a_module_of_our_name_is_the_programs(tmp_path: Path) -> None:
    """A program that has a module `lockstep` gets its own, before and after the recorder is loaded."""
    (tmp_path / "lockstep.py").write_text("name = 'mine'")
    code = "import ctypes, sys; from mpi4py import MPI; import lockstep; "
    code += "print(lockstep.name, 'lockstep.harness.trace' in sys.modules)"
    done = run(code, tmp_path)
    assert (done.stdout, done.stderr) == ("mine False\n", "")


@pytest.mark.parametrize(("code", "loaded"), [("import json, asyncio", False), ("import ctypes", True)])
def test_what_never_communicates_pays_next_to_nothing(code: str, loaded: bool, tmp_path: Path) -> None:
    """The recorder is loaded into a process only when it loads what may communicate; `mmap` is a module that ours needs."""
    (tmp_path / "sitecustomize.py").write_text("")
    done = run(f"import sys\n{code}\nprint('mmap' in sys.modules)", tmp_path)
    assert (done.stdout, done.stderr) == (f"{loaded}\n", "")


def test_mpi_objects_stay_what_they_are(tmp_path: Path) -> None:
    """The world is still an Intracomm, equal to itself after pickling, and its subclasses work."""
    code = """
import pickle
from mpi4py import MPI
class Mine(MPI.Intracomm): pass
w = MPI.COMM_WORLD
print(isinstance(w, MPI.Comm), type(w) is MPI.Intracomm, pickle.loads(pickle.dumps(w)) is w, isinstance(w, Mine))
print(isinstance(MPI.COMM_SELF, MPI.Intracomm), Mine(w).allreduce(2), w.Dup().Get_size())
"""
    done = run(code, tmp_path)
    assert (done.stdout, done.stderr) == ("True True True False\nTrue 2 1\n", "")
