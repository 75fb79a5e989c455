"""Shared memory of MPI: what is removed after a case is surely nobody's."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.host import shared_memory
from lockstep.harness.host.leftovers import Leftovers

HOLDS = "import mmap, os, sys\nfile = open(sys.argv[1], 'r+b')\n{}\nprint('held', flush=True); sys.stdin.read()"


@pytest.fixture
def made() -> Iterator[Path]:
    """A file such as MPICH makes."""
    path = Path(f"/dev/shm/mpich_shm_test_{secrets.token_hex(4)}")
    yield path
    path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    "how", ["", "os.set_blocking(file.fileno(), True)", "mapped = mmap.mmap(file.fileno(), 4096); file.close()"]
)
def test_what_another_job_holds_stays(how: str, made: Path) -> None:
    """A file that appears during a case stays while a process that is none of its has it open, mapped or not."""
    leftovers = Leftovers("no-such-token")
    made.write_bytes(bytes(4096))
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS.format(how), str(made)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"held\n"
    leftovers.remove_files()
    assert made.exists()
    process.communicate()
    leftovers.remove_files()
    assert made.exists() == (not shared_memory._sees_all())


def test_where_not_all_processes_are_seen(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a PID namespace of our own only what the case's ranks have told of is removed."""
    monkeypatch.setattr(shared_memory, "_HOSTS_PIDS", "pid:[1]")
    leftovers = Leftovers("no-such-token")
    made.write_bytes(b"x")
    leftovers.remove_files()
    assert made.exists()
    leftovers.remove_files({str(made)})
    assert not made.exists()


def test_what_another_user_made_is_none_of_ours(made: Path) -> None:
    """A file of another user is not looked at."""
    if os.geteuid() != 0:
        pytest.skip("needs root to make one")
    leftovers = Leftovers("no-such-token")
    made.write_bytes(b"x")
    os.chown(made, 65534, 65534)
    leftovers.remove_files()
    assert made.exists()
