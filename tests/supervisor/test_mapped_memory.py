"""What a program and the launcher below a supervisor leave: what is theirs alone goes, all else stays."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from lockstep.harness.host import launcher_files
from lockstep.harness.supervisor.mapped_memory import MappedMemory

MAPS = """
import mmap, sys
maps = []
for path in sys.argv[1:]:
    with open(path, "a+b") as file:
        file.truncate(4096)
        maps.append(mmap.mmap(file.fileno(), 4096))
print("mapped", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def program(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that says when it is ready."""
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_files_that_a_program_maps() -> None:
    """Weights that were there before, and results that it has made, stay; what a library has made for it goes."""
    token = secrets.token_hex(4)
    before, weights, made, results = (Path(f"/dev/shm/{name}{token}") for name in ("psm_old", "weights", "psm_", "results"))
    try:
        for path in (before, weights):
            path.write_bytes(bytes(4096))
        memory = MappedMemory()
        with program(sys.executable, "-c", MAPS, *map(str, (before, weights, made, results))) as process:
            memory.note(process.pid)
        memory.remove()
        assert [path.exists() for path in (before, weights, made, results)] == [True, True, False, True]
    finally:
        for path in (before, weights, made, results):
            path.unlink(missing_ok=True)


def test_a_file_that_a_killed_launcher_forgets(tmp_path: Path) -> None:
    """The description of the host that Hydra's daemon holds open goes with it; that of another launcher stays."""
    proxy = tmp_path / launcher_files.PROXY
    shutil.copy("/bin/sh", proxy)
    ours, others = (Path(f"{launcher_files.TOPOLOGY}{secrets.token_hex(4)}") for _ in range(2))
    try:
        for path in (ours, others):
            path.write_bytes(b"x")
        memory = MappedMemory()
        with (
            program(str(proxy), "-c", f"exec 7<{ours}; echo; read x") as process,
            program("/bin/sh", "-c", f"exec 7<{others}; echo; read x") as other,
        ):
            assert launcher_files.made_by(process.pid) == {str(ours)}
            for pid in (process.pid, other.pid):
                memory.note(pid)
        memory.remove()
        assert [path.exists() for path in (ours, others)] == [False, True]
    finally:
        for path in (ours, others):
            path.unlink(missing_ok=True)
