"""The allocation in which this process runs: its nodes, what time it has left, whether it is being ended.

Whichever scheduler made it. Another scheduler than Slurm is a file beside slurm.py with a class like the one there, which is
named in SCHEDULERS; nothing outside of that file then knows of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from lockstep.harness.launch.launcher import Launcher
from lockstep.harness.launch.slurm import Slurm


class Scheduler(Protocol):
    """What hands out the nodes of a cluster."""

    @property
    def launcher_name(self) -> str:
        """What `--launcher` calls that by which it starts ranks."""

    @property
    def variables(self) -> tuple[str, ...]:
        """How variables begin by which an mpiexec would take its hosts from the allocation, and ranks their numbers."""

    def job(self) -> str:
        """The name of the allocation in which this process runs; empty outside of one."""

    def nodes(self) -> list[tuple[str, int]]:
        """Its nodes, each with how many ranks it has room for. Raises LaunchError."""

    def left_s(self) -> float | None:
        """How long it has until its limit of time; None where it has no limit."""

    def ending(self) -> str:
        """Why it is coming to its end before its time; empty while it is not. What kills ranks then is no verdict."""

    def launcher(self, wanted: str) -> Launcher:
        """What starts ranks on its nodes, by a name that begins with `launcher_name`. Raises LaunchError."""

    def allocate(self, nodes: int, slots: int, hosts: tuple[str, ...] = ()) -> AbstractContextManager[None]:
        """Get an allocation and be inside it: so many nodes, each with room for so many ranks; `hosts`: these ones.

        It ends with the context, however this process ends. Raises LaunchError.
        """


def enough_for(nodes: Sequence[Sequence[int]], ranks: Sequence[int]) -> tuple[int, int]:
    """How many nodes, and slots of each, hold each of some cases, by turns.

    `nodes`: how many ranks each node of a case has, where it says so; `ranks`: of each case.
    """
    most = max([1, *map(len, nodes)])
    slots = [max(each) if each else -(-count // most) for each, count in zip(nodes, ranks, strict=True)]
    return most, max([1, *slots])


SCHEDULERS: tuple[Scheduler, ...] = (Slurm(),)


def current() -> Scheduler | None:
    """That in whose allocation this process runs; None outside of any."""
    return next((scheduler for scheduler in SCHEDULERS if scheduler.job()), None)


def of_launcher(name: str) -> Scheduler | None:
    """That which starts ranks by a launcher of this name; None for a launcher that needs no scheduler."""
    return next((scheduler for scheduler in SCHEDULERS if name.partition(":")[0] == scheduler.launcher_name), None)


def variables() -> tuple[str, ...]:
    """Those of all schedulers: an mpiexec takes its hosts from us and reaches them by ssh, inside an allocation too."""
    return tuple(variable for scheduler in SCHEDULERS for variable in scheduler.variables)


def job() -> str:
    """The name of the allocation; empty outside of one."""
    scheduler = current()
    return scheduler.job() if scheduler else ""


def nodes() -> list[tuple[str, int]]:
    """Its nodes, each with how many ranks it has room for; none outside of one. Raises LaunchError."""
    scheduler = current()
    return scheduler.nodes() if scheduler else []


def left_s() -> float | None:
    """How long it has until its limit of time; None where there is no allocation, or no limit."""
    scheduler = current()
    return scheduler.left_s() if scheduler else None


def ending() -> str:
    """Why it is coming to its end before its time; empty while it is not, and outside of one."""
    scheduler = current()
    return scheduler.ending() if scheduler else ""
