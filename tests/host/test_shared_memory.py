"""Shared memory of MPI: what is removed after a case is surely nobody's."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lockstep.harness.host import process_tree, shared_memory
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


def test_what_a_program_keeps_there_stays() -> None:
    """Weights, results, a cache: only names that libraries make are removed, and those only directly in /dev/shm."""
    token = secrets.token_hex(4)
    folder = Path(f"/dev/shm/kept-{token}")
    folder.mkdir()
    kept = [Path(f"/dev/shm/weights-{token}"), folder / f"psm_{token}", Path(f"/dev/shm/nothing-{token}")]
    theirs = [Path(f"/dev/shm/{name}{token}") for name in ("mpich_shm_", "mpich_shar_tmp", "psm_", "nccl-")]
    for path in [*kept[:2], *theirs]:
        path.write_bytes(b"x")
    try:
        removed = shared_memory.remove_files(str(path) for path in (*kept, *theirs))
        assert sorted(removed) == sorted(map(str, theirs))
        assert [path.exists() for path in (*kept, *theirs)] == [True, True, *[False] * 5]
    finally:
        shutil.rmtree(folder)
        for path in (kept[0], *theirs):
            path.unlink(missing_ok=True)


def test_what_a_path_of_another_kind_names_stays(tmp_path: Path) -> None:
    """A rank on another host may tell of any file."""
    path = tmp_path / "psm_thesis"
    path.write_bytes(b"x")
    assert shared_memory.remove_files([str(path), f"/dev/shm/../..{path}", f"/dev/shm/psm_x/../../..{path}"]) == []
    assert path.exists()


def test_what_python_shares_with_another_job_stays() -> None:
    """A name that a library makes is removed when no process holds it, not before."""
    path = Path(f"/dev/shm/psm_{secrets.token_hex(4)}")
    path.write_bytes(bytes(4096))
    words = [sys.executable, "-c", HOLDS.format(""), str(path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        assert shared_memory.remove_files([str(path)]) == []
        process.communicate()
    assert shared_memory.remove_files([str(path)]) == [str(path)]


def test_a_semaphore_that_glibc_has_made_under_another_name() -> None:
    """Python's locks for spawned processes are held by who maps them, and go when that was killed with its tracker."""
    code = (
        "import multiprocessing as mp, sys; one = mp.get_context('spawn').Lock(); print(one._semlock.name); sys.stdin.read()"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    path = Path(f"/dev/shm/sem.{process.stdout.readline().strip().removeprefix('/')}")
    assert path.exists()
    assert str(path) in shared_memory.mapped_by(process.pid)
    assert not shared_memory.unheld({str(path)})
    process_tree.end_all([*process_tree.descendants(process.pid), process.pid])
    process.communicate()
    assert shared_memory.remove_files([str(path)]) == [str(path)]
    assert not path.exists()
