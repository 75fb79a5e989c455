"""The MPI library that ranks of this environment use, and how such a library can be started by Slurm."""

from __future__ import annotations

import functools
import re
import subprocess
import sys

PROGRAM = "import mpi4py; mpi4py.rc.initialize = False; from mpi4py import MPI; print(MPI.Get_library_version())"
OPEN_MPI = re.compile(r"Open MPI v(\d+)\.")


@functools.cache
def library() -> str:
    """What the library says of itself, with how it was built; empty where there is none. It is asked, not initialised."""
    try:
        done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return done.stdout.strip(" \0\n") if done.returncode == 0 else ""


def title(said: str) -> str:
    """Name and version out of what a library says of itself."""
    first = re.split(r"[\n,]", said)[0]
    return re.sub(r"\s+", " ", first.replace("Version:", "")).strip()


def kinds(said: str) -> tuple[str, ...]:
    """The kinds of process management (`srun --mpi=KIND`) by which a library starts, best first; empty: not known.

    Under any other its ranks abort (MPICH without PMIx) or each takes itself for the only one (Open MPI without its own).
    """
    if found := OPEN_MPI.search(said):
        return ("pmix",) if int(found[1]) >= 5 else ("pmix", "pmi2")  # PMI-2 was given up with version 5
    if "MPICH Version" in said:
        # How it was built is in what it says: only one that was given a PMIx can use it.
        return ("pmi2", "pmix") if "pmix" in said.lower() else ("pmi2",)
    return ()
