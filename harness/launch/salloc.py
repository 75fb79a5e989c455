"""An allocation of Slurm that lasts as long as a run which was started outside one, however that run ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lockstep.harness.launch import slurm_job
from lockstep.harness.launch.errors import LaunchError, NoSuchLauncher

# It tells what salloc has put into its environment, and waits for a word. When we end without one, supervisors are
# given a moment to leave before Slurm kills them.
HOLDER = ["sh", "-c", "env -0; printf 'READY\\0'; read -r word || sleep 8"]
# Until then: when our own end comes, the allocation is waited for no more. $1: salloc.
GUARD = "cat; kill -TERM $1"
READY = b"READY"
RELEASE_S = 20.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """So many nodes, each with room for so many ranks. `hosts`: these, in any order; empty: whichever are free."""

    nodes: int
    slots: int
    hosts: tuple[str, ...] = ()

    def options(self) -> list[str]:
        """Of salloc. What else a site needs it takes from its own variables: SALLOC_PARTITION, SALLOC_ACCOUNT, ..."""
        named = [f"--nodelist={','.join(self.hosts)}"] if self.hosts else []
        # Ranks may outnumber CPUs: they wait for each other most of the time.
        return [f"--nodes={self.nodes}", f"--ntasks-per-node={self.slots}", "--overcommit", "--no-kill", *named]


@contextmanager
def own_allocation(wanted: Wanted) -> Iterator[None]:
    """Get an allocation, however long that takes, and be inside it; release it afterwards. Raises LaunchError.

    salloc says on stderr what it waits for. Should this process be killed, the allocation is given up too, also one that is
    still waited for.
    """
    argv = ["salloc", "--job-name=lockstep", *wanted.options(), *HOLDER]
    before = dict(os.environ)
    try:
        # Ctrl-C reaches this process only.
        salloc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    except OSError as error:
        what = f"--launcher srun: cannot start salloc ({error.strerror})"
        raise NoSuchLauncher(f"{what}; load your cluster's Slurm module, or leave --launcher out") from error
    try:
        with _guarded(salloc.pid):
            told = _told(salloc)
        if slurm_job.JOB not in told:
            raise LaunchError(
                f"no allocation: {' '.join(argv[: -len(HOLDER)])} ended with {salloc.wait()}; it says why above"
            )
        os.environ.update({name: value for name, value in told.items() if name.startswith("SLURM_")})
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        _release(salloc)


@contextmanager
def _guarded(pid: int) -> Iterator[None]:
    argv = ["sh", "-c", GUARD, "lockstep-guard", str(pid)]
    guard = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        yield
    finally:
        guard.kill()
        guard.communicate()


def _told(salloc: subprocess.Popen[bytes]) -> dict[str, str]:
    """The environment of the holder; what there was of it when salloc ended without."""
    assert salloc.stdout is not None  # noqa: S101  (it is a pipe)
    found: list[bytes] = []
    rest = b""
    while READY not in found and (more := os.read(salloc.stdout.fileno(), 1 << 16)):
        *whole, rest = (rest + more).split(b"\0")
        found += whole
    return dict(pair for word in found if len(pair := os.fsdecode(word).split("=", 1)) == 2) if READY in found else {}


def _release(salloc: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):  # it has ended
        os.write(salloc.stdin.fileno() if salloc.stdin else -1, b"over\n")
    for pipe in (salloc.stdin, salloc.stdout):
        if pipe is not None:
            pipe.close()
    for signum in (None, signal.SIGTERM, signal.SIGKILL):
        if signum is not None:
            with contextlib.suppress(ProcessLookupError):
                salloc.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            salloc.wait(RELEASE_S)
            return
