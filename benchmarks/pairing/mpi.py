"""Pairs of MPI's collectives: the last rank of a job enters the second of a pair, all others the first."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.pairing.outcome import End

ROOTED = ("bcast", "gather", "scatter", "reduce")
PLAIN = ("barrier", "allgather", "alltoall", "allreduce", "scan", "exscan", "dup", "split", "create", "split_type")
UPPER = ("reduce_scatter",)  # only for buffers
COMMUNICATORS = ("dup", "split", "create", "split_type")  # that make one: they have no non-blocking form here
FORMS = ("objects", "buffers", "large")
SPUN_S = 0.3  # a rank that waits turns round: so much processor time without coming out says that it does not
WAIT_S = 0.5
START_S = 60.0
RANK = Path(__file__).with_name("mpi_rank.py")


def variants(form: str) -> list[str]:
    """Operations; a rooted one as the root enters it, and as one whose root is the other."""
    names = [f"{name}@{role}" for name in ROOTED for role in ("root", "leaf")]
    return [*PLAIN, *(UPPER if form != "objects" else ()), *names]


def pairs(form: str) -> list[tuple[str, str]]:
    """What is measured: each two that differ, in both orders, blocking or not, and one operation with another root."""
    all_ = variants(form)
    found = [(a, b) for a in all_ for b in all_ if _differ(a, b)]
    found += [(f"{name}@{role}", f"{name}@{role}") for name in ROOTED for role in ("leaf", "root")]
    if form == "objects":
        return found
    posted = [f"i{name}" for name in all_ if name not in COMMUNICATORS]
    found += [(a, b) for a in posted for b in posted if _differ(a, b)]
    found += [pair for a in posted for b in all_ if _differ(a[1:], b) for pair in ((a, b), (b, a))]
    found += [(f"i{name}@{role}", f"i{name}@{role}") for name in ROOTED for role in ("leaf", "root")]
    same = [(f"i{name}", name.replace("root", "leaf") if "root" in name else name.replace("leaf", "root")) for name in all_
            if name not in COMMUNICATORS]  # fmt: skip
    return found + same + [(b, a) for a, b in same]


def _differ(a: str, b: str) -> bool:
    return a.partition("@")[0] != b.partition("@")[0]


def measure(
    ranks: int, form: str, jobs: int = 1, only: list[tuple[str, str]] | None = None
) -> Iterator[tuple[str, str, list[End]]]:
    """Each pair, and what became of each rank; `jobs` at once."""
    asked = only if only is not None else pairs(form)
    with ThreadPoolExecutor(jobs) as pool:
        yield from pool.map(lambda pair: (*pair, _run(ranks, form, *pair)), asked)


def _run(ranks: int, form: str, a: str, b: str) -> list[End]:
    with tempfile.TemporaryDirectory() as folder:
        mpiexec = Path(sys.executable).with_name("mpiexec")
        more = ["--allow-run-as-root", "--oversubscribe"] if Path(sys.executable).with_name("ompi_info").exists() else []
        job = subprocess.Popen(
            [mpiexec, *more, "-n", str(ranks), sys.executable, str(RANK), folder, form, a, b],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            return _watch(job, [Path(folder) / str(rank) for rank in range(ranks)])
        finally:
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(job.pid, signal.SIGTERM)
                job.wait(10)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
            job.wait()


def _watch(job: subprocess.Popen[bytes], files: list[Path]) -> list[End]:
    began: dict[int, float] = {}
    deadline, all_in_s = time.monotonic() + START_S, 0.0
    ends = [End.NOT_THERE] * len(files)
    while time.monotonic() < deadline:
        pids: dict[int, int] = {}
        for rank, path in enumerate(files):
            told = path.read_bytes() if path.exists() else b""
            pid, _, rest = told.partition(b" ")
            if rest:
                pids[rank] = int(pid)
                ends[rank] = End.ENDED if b"o" in rest else End.RAISED if b"x" in rest else End.WAITS
        over = job.poll() is not None
        if over:
            return [End.DIED if end is End.WAITS else end for end in ends]
        if End.WAITS not in ends and End.NOT_THERE not in ends:
            return ends
        if End.NOT_THERE not in ends:
            all_in_s = all_in_s or time.monotonic()
            waiting = [rank for rank, end in enumerate(ends) if end is End.WAITS]
            for rank in waiting:
                began.setdefault(rank, _used_s(pids[rank]))
            spun = all(_used_s(pids[rank]) - began[rank] >= SPUN_S for rank in waiting)
            if spun and time.monotonic() - all_in_s >= WAIT_S:
                return ends
        time.sleep(0.02)
    return ends if End.NOT_THERE not in ends else [End.NOT_THERE] * len(ends)


def _used_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
