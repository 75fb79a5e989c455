"""What `doctor` tries: each trial can fail, says why in the loader's own words, in time, and leaves nothing."""

from __future__ import annotations

import os
import socket
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from lockstep.harness.host import proc
from lockstep.harness.host.polling import wait_until
from lockstep.harness.launch import trials
from lockstep.harness.launch.check import Check
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.hydra import Hydra
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.none import NoMpi
from lockstep.harness.native.build import Built
from tests.campaign.test_command_line import lockstep

pytestmark = pytest.mark.timeout(300)  # libraries are loaded for real, on a machine that may be busy
ASKED = Path("/nowhere/libmpi.so.12")


def use(launcher: Launcher, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that is found here."""
    monkeypatch.setattr(trials, "find", lambda wanted: launcher)


def test_all_is_well_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that passes these tests every trial is well, and nothing of any is left."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setenv("LOCKSTEP_TEST_MARK", f"{os.getpid()}-trials")
    found = trials.trials()
    assert {check.name: check.found for check in found if not check.ok} == {}
    assert [check.name for check in found] == [
        "torch loads", "MPI loads", "2 ranks meet", "channel", "recorder loads", "GPU marks",
    ]  # fmt: skip
    assert list(tmp_path.iterdir()) == []
    assert wait_until(lambda: proc.with_variable("LOCKSTEP_TEST_MARK", f"{os.getpid()}-trials") == [], 30)


def test_an_mpi_that_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """The loader's own words, by `lockstep doctor` and by its trial of ranks; exit code 3."""
    monkeypatch.setenv("MPI4PY_LIBMPI", str(ASKED))
    said = lockstep("doctor", check=3).stderr
    (line,) = [line for line in said.splitlines() if line.startswith("FAIL MPI loads")]
    assert f"{ASKED}: cannot open shared object file: No such file or directory" in line
    assert "load the MPI module that mpi4py was built for" in said
    assert "ok   torch loads" in said
    check = trials.ranks_meet()
    assert not check.ok
    assert f"{ASKED}: cannot open shared object file" in check.found


def test_what_matters_is_told() -> None:
    """What a library says of an error, whatever frame a launcher puts around it; without one the end of it."""
    frame = "=" * 40 + "\n=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES\n" + "-" * 40 + "\nprterun has exited\n"
    said = 'Traceback (most recent call last):\n  File "x.py", line 1\nImportError: libmpi.so.12: cannot open\n' * 2 + frame
    assert trials._last(said) == "ImportError: libmpi.so.12: cannot open"
    assert trials._last("connecting\n\nwaiting\n") == "connecting / waiting"
    assert len(trials._last("Error " + "x" * 5000)) == trials.SAID


def test_a_launcher_of_another_mpi(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each rank is alone in a world of its own, which no exit status tells."""
    use(NoMpi(), monkeypatch)
    check = trials.ranks_meet()
    assert (check.ok, check.found) == (False, "none is not of the MPI that mpi4py loads: each rank is in a world of 1")


def test_a_launcher_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended in time, and with it what it has started."""
    mark = f"{os.getpid()}-never"
    program = tmp_path / "mpiexec"
    program.write_text("#!/bin/sh\necho connecting\nsleep 1000\n")
    program.chmod(0o755)
    monkeypatch.setenv("LOCKSTEP_TEST_MARK", mark)
    use(Hydra(str(program), "?"), monkeypatch)
    check = trials.ranks_meet(timeout_s=1.0)
    assert (check.ok, check.found) == (False, "they did not within 1 s: connecting")
    assert wait_until(lambda: proc.with_variable("LOCKSTEP_TEST_MARK", mark) == [], 30)


def test_no_launcher(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was looked for, or what cannot be started."""

    def none(wanted: str) -> Launcher:
        raise LaunchError("no MPI launcher found")

    monkeypatch.setattr(trials, "find", none)
    assert trials.ranks_meet().found == "no MPI launcher found"
    use(Hydra("/nowhere/mpiexec", "?"), monkeypatch)
    assert trials.ranks_meet().found.startswith("cannot start /nowhere/mpiexec")


@pytest.mark.parametrize("listens", [False, True])
def test_a_channel_that_is_filtered(listens: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody answers at the watchdog's address, or somebody who is no watchdog: told in time."""
    with socket.socket() as somebody:
        somebody.bind(("127.0.0.1", 0))
        if listens:
            somebody.listen()
        endpoint = f"tcp://127.0.0.1:{somebody.getsockname()[1]}"
        real = trials._plan
        monkeypatch.setattr(trials, "_plan", lambda head: replace(real(head), endpoint=endpoint))
        check = trials.channel_connects(timeout_s=2.0 if listens else 100.0)
    assert not check.ok
    assert check.found == (f"no word within 2 s at {endpoint}" if listens else f"no watchdog answers at {endpoint}")


def test_a_recorder_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the dynamic loader says against it; where there is none, nothing is tried."""
    (tmp_path / "liblockstep.so").write_bytes(b"nothing of the kind")
    monkeypatch.setattr(trials, "build", lambda: Built(tmp_path / "liblockstep.so", "built"))
    check = trials.recorder_loads()
    assert not check.ok
    assert "cannot be preloaded" in check.found
    monkeypatch.setattr(trials, "build", lambda: Built(None, "no C compiler"))
    assert trials.recorder_loads().ok


def test_a_trial_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process can be started any more: that is what fails, and the others are told."""

    def short(timeout_s: float) -> Check:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(trials, "mpi_loads", short)
    found = trials.trials()
    assert [check.found for check in found if not check.ok] == ["[Errno 11] Resource temporarily unavailable"]
    assert len(found) == 6


def test_a_gpu_that_does_not_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is a GPU in name only, the trial fails in its own words."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(trials, "gpus", lambda: [object()])
    monkeypatch.setattr(trials, "torch_has_cuda", lambda: True)
    check = trials.gpu_marks()
    assert not check.ok
    assert "cudart" in check.found or "CUDA" in check.found
