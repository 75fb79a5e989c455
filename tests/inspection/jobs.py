"""Real jobs that were started plainly, without Lockstep, and that hang; whatever a test does with them, they are ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from lockstep.harness.host.polling import wait_until
from lockstep.harness.host.process_tree import descendants, end_all

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
TORCHRUN = [str(BIN / "torchrun"), "--nproc-per-node", "2"]
MPIEXEC = [str(BIN / "mpiexec"), "-n", "2", sys.executable]
STARTED_S = 60.0
TRIES = 5
PLAIN = ("LOCKSTEP_", "PMI_", "PMIX_", "OMPI_", "SLURM_")


def environment(**more: str) -> dict[str, str]:
    """That of a user who has never heard of Lockstep."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PLAIN)}
    for name in ("RANK", "WORLD_SIZE", "PYTHONPATH"):
        inherited.pop(name, None)
    return {**inherited, "GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1", **more}


def copied(program: str, folder: Path, name: str = "") -> str:
    """A program in the job's folder, under a name that no other job of this machine has, of other tests neither."""
    own = f"{os.getpid()}-{name or program}"
    shutil.copy(HERE / program, folder / own)
    return own


@contextlib.contextmanager
def job(argv: list[str], folder: Path, ready: int = 2, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """One that is there when all of its `ready` ranks have written that they are."""
    with (folder / "job.log").open("wb") as log:
        started = subprocess.Popen(
            argv, cwd=folder, env=environment(**variables), stdout=log, stderr=log, start_new_session=True
        )
    try:
        there = wait_until(lambda: len(list(folder.glob("ready-*"))) >= ready or started.poll() is not None, STARTED_S)
        assert there and started.poll() is None, (folder / "job.log").read_text()
        yield started
    finally:
        end_all([*descendants(started.pid), started.pid])
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def settled(*words: str, folder: Path, said: str) -> subprocess.CompletedProcess[str]:
    """Its answer that says this, else the last of some: a rank that is ready is about to hang, and not there yet."""
    for _ in range(TRIES):
        done = lockstep(*words, folder=folder)
        if said in done.stderr:
            break
    return done


def lockstep(*words: str, folder: Path, variables: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """The command, as a user types it."""
    env = environment(PATH=f"{BIN}{os.pathsep}{os.environ['PATH']}", **(variables or {}))
    argv = [str(BIN / "lockstep"), *words]
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False)
