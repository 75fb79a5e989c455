"""srun: how it places the ranks of a map within an allocation, by which kind of MPI, and how a step of it is ended."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from lockstep.harness.launch import allocation, mpi
from lockstep.harness.launch.errors import LaunchError
from lockstep.harness.launch.rank_map import RankMap

NAME = "srun"
FALLBACK = "use --launcher hydra or prrte, which reach the nodes by ssh"
# What a batch job hands on to its steps, and what would place or bind ranks in another way than the map says.
INHERITED = (
    *("SLURM_NTASKS", "SLURM_NPROCS", "SLURM_TASKS_PER_NODE", "SLURM_DISTRIBUTION", "SLURM_HOSTFILE", "SLURM_STEP"),
    *("SLURM_CPUS_PER_TASK", "SRUN_CPUS_PER_TASK", "SLURM_CPU_BIND", "SLURM_MEM_", "SLURM_HINT", "SLURM_THREADS"),
    *("SLURM_EXACT", "SLURM_EXCLUSIVE", "SLURM_NSOCKETS", "SLURM_NCORES", "SLURM_GPUS_PER_TASK", "SLURM_GPU_BIND"),
    *("SLURM_KILL_BAD_EXIT", "SLURM_LABELIO", "SLURM_STDIN", "SLURM_STDOUT", "SLURM_STDERR"),
)
# Of a step in which this process itself may be: ranks would take them for their own.
OF_A_STEP = ("PMI_", "PMI2_", "PMIX_", "SLURM_MPI_TYPE", "SLURM_PMI")
WITHOUT = INHERITED + OF_A_STEP


def arguments(kind: str, rank_map: RankMap, folder: Path) -> list[str]:
    """Of srun, for the ranks of a map. `folder`: the job's own; the step has its name, by which it is ended."""
    # One line a rank: with `arbitrary` Slurm takes the ranks in this order, on whatever nodes, as many as there are.
    hosts = folder / "hosts"
    hosts.write_text("".join(f"{node.host}\n" * node.ranks for node in rank_map.nodes))
    placed = ["--distribution=arbitrary", f"--nodelist={hosts}", f"--ntasks={rank_map.ranks}"]
    shared = ["--overlap", "--overcommit", "--mem=0", "--cpu-bind=none"]  # with the steps of other cases
    patient = ["--no-kill", "--kill-on-bad-exit=0", "--wait=0"]  # the others live on when one has ended
    there = [] if rank_map.local else ["--chdir=/"]  # every host has it, and supervisors go on from there
    plain = ["--input=0", "--export=ALL", f"--job-name={folder.name}", *([f"--mpi={kind}"] if kind else [])]
    return [*placed, *shared, *patient, *there, *plain]


def version() -> str:
    """Of Slurm. Raises LaunchError where there is no srun."""
    if shutil.which(NAME) is None:
        raise LaunchError("no srun on PATH: load your cluster's Slurm module, or leave --launcher out")
    words = allocation.ask(NAME, "--version").split()
    return f"Slurm {words[-1]}" if words else "Slurm"


def kind(wanted: str) -> str:
    """The value of `--mpi`: what is wanted, else the best that both the MPI library and this Slurm can; empty: the site's.

    Raises LaunchError for one under which the ranks could not find each other.
    """
    can, known = mpi.kinds(mpi.library()), offered()
    name = mpi.title(mpi.library()) or "the MPI library"
    if wanted:
        if known and wanted.partition("_")[0] not in known and wanted not in known:
            raise LaunchError(f"--launcher {NAME}:{wanted}: this Slurm has no such kind of MPI; it has {', '.join(known)}")
        if can and wanted != "none" and wanted.partition("_")[0] not in can:
            raise LaunchError(f"--launcher {NAME}:{wanted}: {name} starts by {' or '.join(can)} only; give {NAME}:{can[0]}")
        return wanted
    if not can:
        return ""  # a library that is not known here, or none: the site's default
    for one in can:
        if one in known:
            return one
    lacks = f"{name} starts under srun by {' or '.join(can)} only"
    raise LaunchError(f"{lacks}, and this Slurm has {', '.join(known) or 'none'} (srun --mpi=list); {FALLBACK}")


def offered() -> list[str]:
    """The kinds of MPI that this Slurm has, those first that any library may use."""
    words = set(allocation.ask(NAME, "--mpi=list", errors=True).replace(",", " ").split())
    return [one for one in ("pmix", "pmi2", "cray_shasta", "none") if one in words]


def end_step(name: str) -> None:
    """Kill the step of this name on all its nodes; harmless when there is none. srun's own death would leave it running."""
    with contextlib.suppress(LaunchError):
        steps = ["squeue", "--noheader", "--steps", "--format=%i %j", f"--jobs={allocation.job()}"]
        ids = [line.split()[0] for line in allocation.ask(*steps).splitlines() if line.split()[1:] == [name]]
        if ids:
            allocation.ask("scancel", "--signal=KILL", *ids)
