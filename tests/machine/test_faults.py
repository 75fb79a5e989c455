"""Commands on a machine that lacks something, with real processes: a sentence and an exit code, and no traceback."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lockstep.harness.launch.job import LONGEST_FOLDER, short_folder

LOCKSTEP = Path(sys.executable).with_name("lockstep")
PROGRAM = Path(__file__).parents[1] / "attach" / "mpi_program.py"


def mounts() -> bool:
    """Whether this user may make a mount namespace with a file system in it."""
    if shutil.which("unshare") is None:
        return False
    words = ["unshare", "-m", "sh", "-c", "mount -t tmpfs tmpfs /dev/shm"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


needs_mounts = pytest.mark.skipif(not mounts(), reason="needs the right to mount")


def run(*words: str, folder: Path, mount: str = "", **environment: str) -> tuple[int, str]:
    """Exit code, and what was said. `mount`: a shell command before it, in a mount namespace of its own."""
    command = [str(LOCKSTEP), *words]
    if mount:
        command = ["unshare", "-m", "sh", "-ec", f'{mount}; exec "$@"', "sh", *command]
    env = {**os.environ, **environment}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, errors="replace", timeout=110, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


@needs_mounts
def test_a_full_disk(tmp_path: Path) -> None:
    """Reports have no room: nothing could be judged, and why is said; no option that the command lacks is advised."""
    code, said = run(
        "watch", "--reports", "full", "--", "true", folder=tmp_path, mount="mkdir full; mount -t tmpfs -o size=16k t full"
    )
    assert code == 3
    assert "No space left on device" in said
    assert "--resume" not in said


@needs_mounts
@pytest.mark.parametrize(("before", "words"), [("", ["--reports", "ro/x"]), ("cd ro", [])])
def test_a_disk_that_cannot_be_written(before: str, words: list[str], tmp_path: Path) -> None:
    """Where reports would go nothing may be written: a mistake of the input, by name."""
    (tmp_path / "ro").mkdir()
    mount = "mount -t tmpfs -o ro t ro" + (f"; {before}" if before else "")
    code, said = run("watch", *words, "--", "true", folder=tmp_path, mount=mount)
    assert code == 2
    assert ": Read-only file system" in said


@needs_mounts
def test_full_shared_memory(tmp_path: Path) -> None:
    """Ranks die of SIGBUS; the verdict names what is full."""
    command = ["--", sys.executable, str(PROGRAM), "clean"]
    code, said = run("watch", "-n", "2", *command, folder=tmp_path, mount="mount -t tmpfs -o size=64k t /dev/shm")
    assert code == 1
    assert "SIGBUS (as where /dev/shm is full" in said or "No space left on device" in said


def test_a_long_folder_for_temporary_files(tmp_path: Path) -> None:
    """No socket below it could have a name: /tmp is taken instead, and nothing stays in either."""
    long = tmp_path / ("t" * 100)
    long.mkdir()
    command = ["--", sys.executable, str(PROGRAM), "clean"]
    code, said = run("watch", "-n", "2", *command, folder=tmp_path, TMPDIR=str(long))
    assert code == 0, said
    assert [path for path in long.iterdir() if path.name.startswith("lockstep-")] == []


def test_which_folder_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the bytes of its name, as the kernel counts."""
    for folder, wanted in (("/x" * 30, "/x" * 30), ("/x" * 31, "/tmp"), ("/ä" * 21, "/tmp")):
        monkeypatch.setattr("tempfile.tempdir", folder)
        assert (len(os.fsencode(folder)) > LONGEST_FOLDER) is (wanted == "/tmp")
        assert short_folder() == wanted


def test_few_descriptors(tmp_path: Path) -> None:
    """How many are needed, and where the limit is raised."""

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))

    words = [str(LOCKSTEP), "watch", "--", "true"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, preexec_fn=few, timeout=110, check=False)
    assert done.returncode == 3
    assert "open files in this process" in done.stderr
    assert "raise it (`ulimit -Hn " in done.stderr


def test_a_locale_without_letters(tmp_path: Path) -> None:
    """An argument that the locale has no letters for reaches the program as it is."""
    code = "import os, sys; sys.exit(os.fsencode(sys.argv[1]) != bytes([0x77, 0xc3, 0xb6]))"
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert run("watch", "--", sys.executable, "-c", code, "wö", folder=tmp_path, **plain)[0] == 0


def test_no_home_and_blanks(tmp_path: Path) -> None:
    """Neither HOME nor a plain name of the folder is needed."""
    folder = tmp_path / "ä b 'c"
    folder.mkdir()
    clean = {name: text for name, text in os.environ.items() if name in ("PATH", "TMPDIR")}
    words = [str(LOCKSTEP), "watch", "-n", "2", "--run-id", "x", "--", sys.executable, str(PROGRAM), "clean"]
    done = subprocess.run(words, cwd=folder, env=clean, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    assert (folder / "reports/runs/x/summary.md").is_file()
