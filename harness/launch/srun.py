"""srun, the launcher of Slurm: a step within an allocation, by which kind of MPI, and how a step is ended."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lockstep.harness.environment import TMPDIR
from lockstep.harness.launch import mpi, slurm_job
from lockstep.harness.launch.errors import LaunchError, NoSuchLauncher
from lockstep.harness.launch.launcher import ANYWHERE, Launcher
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


@dataclass(frozen=True, slots=True)
class Srun(Launcher):
    """srun with a kind of MPI (`srun --mpi=KIND`); empty: the site's."""

    kind: str
    version: str
    program: str = NAME

    @staticmethod
    def find(wanted: str = "") -> Srun:
        """With the kind that is wanted, or with the best. Raises LaunchError."""
        there = version()
        return Srun(kind_of_mpi(wanted), there)

    @property
    def name(self) -> str:
        """With its kind."""
        return f"{NAME}:{self.kind}" if self.kind else NAME

    @property
    def withheld(self) -> tuple[str, ...]:
        """What would place ranks in another way than the map says, or tell them that they are of another step."""
        return INHERITED + OF_A_STEP

    @property
    def folder_variable(self) -> str:
        """Not TMPDIR: on every node Slurm makes what that names, and leaves it there."""
        return TMPDIR

    def command(self, rank_map: RankMap, argv: list[str], folder: Path, environment: Iterable[str] = ()) -> list[str]:
        """The step has the name of the folder, by which it is ended; it takes all variables along."""
        return [self.program, *self._arguments(rank_map, folder), *argv]

    def _arguments(self, rank_map: RankMap, folder: Path) -> list[str]:
        # One line a rank: with `arbitrary` Slurm takes the ranks in this order, on whatever nodes, as many as there are.
        hosts = folder / "hosts"
        hosts.write_text("".join(f"{node.host}\n" * node.ranks for node in rank_map.nodes))
        placed = ["--distribution=arbitrary", f"--nodelist={hosts}", f"--ntasks={rank_map.ranks}"]
        shared = ["--overlap", "--overcommit", "--mem=0", "--cpu-bind=none"]  # with the steps of other cases
        patient = ["--no-kill", "--kill-on-bad-exit=0", "--wait=0"]  # the others live on when one has ended
        there = [] if rank_map.local else [f"--chdir={ANYWHERE}"]
        mpi_by = [f"--mpi={self.kind}"] if self.kind else []
        return [*placed, *shared, *patient, *there, "--input=0", "--export=ALL", f"--job-name={folder.name}", *mpi_by]

    def end(self, name: str) -> None:
        """Kill the step of this name on all its nodes: srun's own death would leave it running."""
        with contextlib.suppress(LaunchError):
            steps = ["squeue", "--noheader", "--steps", "--format=%i %j", f"--jobs={slurm_job.number()}"]
            ids = [line.split()[0] for line in slurm_job.ask(*steps).splitlines() if line.split()[1:] == [name]]
            if ids:
                slurm_job.ask("scancel", "--signal=KILL", *ids)


def version() -> str:
    """Of Slurm. Raises LaunchError where there is no srun."""
    if shutil.which(NAME) is None:
        raise NoSuchLauncher(
            "--launcher srun: there is no srun on PATH; load your cluster's Slurm module, or leave --launcher out"
        )
    words = slurm_job.ask(NAME, "--version").split()
    return f"Slurm {words[-1]}" if words else "Slurm"


def kind_of_mpi(wanted: str) -> str:
    """The value of `--mpi`: what is wanted, else the best that both the MPI library and this Slurm can; empty: the site's.

    Raises LaunchError for one under which the ranks could not find each other.
    """
    can, known = mpi.kinds(mpi.library()), offered()
    name = mpi.title(mpi.library()) or "the MPI library"
    if wanted:
        if known and wanted.partition("_")[0] not in known and wanted not in known:
            raise NoSuchLauncher(
                f"--launcher {NAME}:{wanted}: this Slurm has no such kind of MPI; it has {', '.join(known)}"
            )
        if can and wanted != "none" and wanted.partition("_")[0] not in can:
            raise NoSuchLauncher(
                f"--launcher {NAME}:{wanted}: {name} starts by {' or '.join(can)} only; give {NAME}:{can[0]}"
            )
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
    words = set(slurm_job.ask(NAME, "--mpi=list", errors=True).replace(",", " ").split())
    return [one for one in ("pmix", "pmi2", "cray_shasta", "none") if one in words]
