"""The communicators of mpi4py that are known: those that were made where we saw it, by MPI's own handle."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from lockstep.harness.attach import recording
from lockstep.harness.attach.sites import call_site
from lockstep.harness.environment import SUPERVISOR, WORLD_ID
from lockstep.harness.trace.event import Kind
from lockstep.harness.trace.handles import Comm

MOST = 64  # communicators that are told of


SPAWNED = "PMI_SPAWNED"  # MPICH's launcher sets it
# What a launcher's processes are called, from the one that starts ranks to the one that the user has started.
LAUNCHERS = (
    "hydra_pmi_proxy",
    "mpiexec.hydra",
    "mpiexec.gforker",
    "mpiexec",
    "mpirun",
    "prterun",
    "prted",
    "prte",
    "slurmstepd",
    "srun",
)


def scope() -> str:
    """The world of this launch: another mpiexec of the same program has another, also one that the command has called."""
    if os.getpid() not in _scopes:  # who started it may end
        _scopes[os.getpid()] = _scope()
    return _scopes[os.getpid()]


_scopes: dict[int, str] = {}  # by process


def _scope() -> str:
    space, own = os.environ.get("PMIX_NAMESPACE"), _launcher()
    here = (space or f"below {own}") if own else (os.environ.get(WORLD_ID) or space or str(os.getppid()))
    return f"mpi {here}{f' spawned {os.getpid()}' if is_spawned() else ''}"


def is_spawned() -> bool:
    """Whether ranks have started this process (MPI_Comm_spawn), of which nobody else knows who is in one world with it."""
    return SPAWNED in os.environ


def _launcher() -> int:
    """The launcher that the command itself has called and below which this process stands; 0: there is none."""
    top, pid, found = os.environ.get(SUPERVISOR), os.getppid(), 0
    while pid > 1 and str(pid) != top:
        try:
            with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
                name, _, rest = file.read().partition("(")[2].rpartition(")")
        except OSError:
            return found
        if name[:15] in [one[:15] for one in LAUNCHERS]:
            found = pid
        elif found:
            return found
        pid = int(rest.split()[1])
    return found if top else 0


class Comms:
    """Handle -> communicator. MPI gives a handle again when its communicator was freed."""

    def __init__(self) -> None:
        self._known: dict[int, Comm] = {}
        self._made: dict[int, int] = {}  # handle -> string id of the line that made it, of those that are to be freed
        self._module: Any = None
        self._handle: Callable[[Any], int] = lambda comm: 0
        self._groups: dict[tuple[object, ...], int] = {}

    @property
    def module(self) -> Any:
        """mpi4py.MPI."""
        return self._module

    @module.setter
    def module(self, module: Any) -> None:
        self._module, self._handle = module, module._handleof  # its own, before ours stands in its place

    def known(self, comm: Any) -> Comm | None:
        """The communicator that a method is called on."""
        return self._known.get(self._handle(comm))

    def shared(self, one: Any) -> bool:
        """Whether others could be reached through this object: any request, and a communicator of several."""
        return not isinstance(one, self._module.Comm) or self.known(one) is not None

    def add(self, made: Any, comm: Comm) -> None:
        """A communicator exists."""
        self._known[self._handle(made)] = comm

    def forget(self, handle: int) -> None:
        """It was freed."""
        self._known.pop(handle, None)
        self._made.pop(handle, None)

    def handle(self, comm: Any) -> int:
        """MPI's own handle."""
        return self._handle(comm)

    def clear(self) -> None:
        """In a forked child."""
        self._known.clear()
        self._made.clear()

    def left(self) -> None:
        """Tell of the communicators that the program has made and not freed."""
        recorder = recording.current().recorder
        for handle, site in list(self._made.items())[:MOST]:
            recorder.write(Kind.LEFT, self._known[handle].id, 0, c=-1, site=site)

    def adopt(self, made: Any, name: str, several: bool = False) -> None:
        """Announce a new communicator; nothing where this process is no member.

        `several` of one name may be made by the same members, who make them in the same order.
        """
        if made == self._module.COMM_NULL:
            return
        groups = made.Get_group(), self._module.COMM_WORLD.Get_group()
        members = groups[0].Translate_ranks(list(range(groups[0].Get_size())), groups[1])
        for group in groups:
            group.Free()
        if several:
            key = (name, *members)
            self._groups[key] = number = self._groups.get(key, 0) + 1
            name += f" {number}"
        recorder = recording.current().recorder
        self.add(made, recorder.comm("mpi", name, members, scope=scope()))
        self._made[self._handle(made)] = call_site(recorder)


comms = Comms()
