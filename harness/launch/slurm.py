"""Slurm, as `allocation.Scheduler` wants it: the one object by which the rest of the harness meets it."""

from __future__ import annotations

from contextlib import AbstractContextManager

from lockstep.harness.launch import salloc, slurm_job, srun
from lockstep.harness.launch.launcher import Launcher


class Slurm:
    """The job in which this process runs, its steps, and jobs of our own."""

    launcher_name = srun.NAME
    # What a job tells its processes, by which an mpiexec would take its hosts from Slurm, and ranks their numbers.
    variables = (
        *("SLURM_JOB", "SLURM_NODE", "SLURM_NNODES", "SLURM_TASKS_PER_NODE", "SLURM_STEP", "SLURM_NTASKS", "SLURM_NPROCS"),
        *srun.OF_A_STEP,
    )

    def job(self) -> str:
        """The number of the job; empty outside of one."""
        return slurm_job.number()

    def nodes(self) -> list[tuple[str, int]]:
        """Its nodes, in Slurm's order, each with how many ranks it has room for. Raises LaunchError."""
        return slurm_job.nodes()

    def left_s(self) -> float | None:
        """How long it has until its limit of time; None where it has no limit."""
        return slurm_job.left_s()

    def ending(self) -> str:
        """Why it is coming to its end before its time; empty while it is not."""
        return slurm_job.ending()

    def launcher(self, wanted: str) -> Launcher:
        """srun with the kind of MPI that is wanted (`srun:KIND`), or with the best. Raises LaunchError."""
        return srun.Srun.find(wanted.partition(":")[2])

    def allocate(self, nodes: int, slots: int, hosts: tuple[str, ...] = ()) -> AbstractContextManager[None]:
        """A job of our own, by salloc. Raises LaunchError."""
        return salloc.own_allocation(salloc.Wanted(nodes, slots, hosts))
