"""The launchers: which one is found, what is said when there is none, and that a job leaves nothing."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from lockstep.harness.launch.discovery import find, identify
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.hydra import Hydra
from lockstep.harness.launch.interface import Interface
from lockstep.harness.launch.job import Job
from lockstep.harness.launch.probe import checks, environment
from lockstep.harness.launch.rank_map import NodeRanks, RankMap


def program(folder: Path, text: str) -> str:
    """A program that prints `text` whatever it is asked."""
    path = folder / "mpiexec"
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("says", "name"),
    [
        ("HYDRA build details:\n    Version:      4.2.0", "hydra"),
        ("mpiexec (Open MPI) 5.0.11", "prrte"),
        ("something else 1.0", None),
    ],
)
def test_identify(says: str, name: str | None, tmp_path: Path) -> None:
    """A launcher is told by what its --version says."""
    found = identify(program(tmp_path, says))
    assert (found.name if found else None) == name


def test_no_launcher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a launcher the error says what was looked at and what to do."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match="pip install mpich"):
        find()


def test_the_wheels_launcher_is_found() -> None:
    """The launcher beside this Python is found, and the one that is asked for by name."""
    launcher = find()
    assert Path(launcher.program).exists()
    assert find(launcher.name) == launcher


def test_real_ranks(tmp_path: Path) -> None:
    """The real launcher starts as many processes as asked, and the job's temporary folder is gone afterwards."""
    code = "import os; print(sorted(k for k in ('PMI_RANK', 'PMIX_RANK') if k in os.environ))"
    job = Job(find(), RankMap.on_this_host(3), [sys.executable, "-c", code], {}, tmp_path / "log")
    assert job.process.wait(60) == 0
    job.end()
    assert len((tmp_path / "log").read_text().splitlines()) == 3
    assert not job.folder.exists()


def test_a_launcher_that_cannot_start(tmp_path: Path) -> None:
    """A launcher that is no program is an error that names it, and leaves no folder."""
    launcher = Hydra(str(tmp_path / "nowhere"), "?")
    with pytest.raises(LaunchError, match="nowhere"):
        Job(launcher, RankMap.on_this_host(2), ["true"], {}, tmp_path / "log")


def test_doctor_looks_at_the_real_things() -> None:
    """On a machine that passes these tests every check is well, and the environment names launcher and libraries."""
    bad = [check for check in checks() if not check.ok]
    assert [check.name for check in bad if check.name != "cores"] == []
    found = environment()
    assert found["mpi"]["launcher"] == find().name
    assert {"torch", "mpi4py"} <= set(found["libraries"])
    assert found["cores"] == len(os.sched_getaffinity(0))


TWO = RankMap((NodeRanks("a", 3), NodeRanks("b", 1)), head=Interface("ib0", "10.0.0.1", "10.0.0.0/24", chosen=True))
SECRETS = {"TOKEN": "hidden", "HOME": "/root", "SSH_AUTH_SOCK": "x", "BASH_FUNC_x%%": "() { :; }", "PATH": "/bin"}


def test_hydra_goes_to_other_hosts_by_ssh(tmp_path: Path) -> None:
    """Ranks in blocks by a machine file, over the interface of the head; the local map knows nothing of ssh."""
    hydra = identify(program(tmp_path, "HYDRA build details:\n    Version:      4.2.0"))
    assert hydra is not None
    words = hydra.command(TWO, ["prog"], tmp_path, SECRETS)
    assert Path(words[words.index("-f") + 1]).read_text() == "a:3\nb:1\n"
    assert words[words.index("-iface") + 1] == "ib0"
    script = Path(words[words.index("-launcher-exec") + 1])
    assert os.access(script, os.X_OK)
    assert "BatchMode=yes" in script.read_text()
    assert "hidden" not in " ".join(words)
    here = hydra.command(RankMap.on_this_host(2), ["prog"], tmp_path, SECRETS)
    assert here[1:] == ["-launcher", "fork", "-n", "2", "prog"]


def test_prrte_takes_variables_along_by_their_names(tmp_path: Path) -> None:
    """All but those of a login; values stay off the command line. The network is the chosen one."""
    prrte = identify(program(tmp_path, "mpiexec (Open MPI) 5.0.11"))
    assert prrte is not None
    words = prrte.command(TWO, ["prog"], tmp_path, SECRETS)
    assert [words[number + 1] for number, word in enumerate(words) if word == "-x"] == ["PATH", "TOKEN"]
    assert words[words.index("--host") + 1] == "a:3,b:1"
    assert words[words.index("prte_if_include") + 1] == "10.0.0.0/24"
    assert "hidden" not in " ".join(words)
    here = prrte.command(RankMap.on_this_host(2), ["prog"], tmp_path, SECRETS)
    assert here[1:] == ["--host", "localhost:2", "--bind-to", "none", "-n", "2", "prog"]
