"""The processes of this host, and which of them are a job: its ranks, by their environment, and what else belongs to it."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path, PurePath

from lockstep.harness.host.proc import Stat, listed
from lockstep.harness.inspection.places import Place, place_of, variables
from lockstep.harness.program_name import program_name

SHELLS = ("sh", "bash", "dash", "zsh", "ksh", "csh", "tcsh", "fish", "env", "numactl", "taskset", "nice", "timeout", "time")
STARTERS = (
    "torchrun",
    "torch.distributed.run",
    "torch.distributed.launch",
    "mpiexec",
    "mpirun",
    "hydra_pmi_proxy",
    "prterun",
)
AIDES = ("multiprocessing.resource_tracker", "multiprocessing.semaphore_tracker", "multiprocessing.forkserver")
OTHERS = 32  # processes that are no ranks, of one host


@dataclass(frozen=True, slots=True)
class Process:
    """`variables`: its environment; None: only its owner, or root, may read it."""

    pid: int
    parent: int
    owner: int
    started: int
    ended: bool  # and nobody has asked how
    argv: tuple[str, ...]
    program: str  # the file that it runs
    variables: Mapping[str, str] | None

    @property
    def place(self) -> Place | None:
        """Which rank it is, or is below."""
        return None if self.variables is None else place_of(self.variables)

    @property
    def title(self) -> str:
        """What it is called for people, without what looks like a secret."""
        return program_name(self.argv) if self.argv else PurePath(self.program).name

    @property
    def is_python(self) -> bool:
        """Whether it runs a Python interpreter."""
        return "python" in PurePath(self.program).name

    @property
    def is_wrapper(self) -> bool:
        """Whether it only starts another program, as a shell does."""
        return PurePath(self.program).name in SHELLS or PurePath(self.argv[0] if self.argv else "").name in SHELLS

    @property
    def is_starter(self) -> bool:
        """Whether it starts ranks and is none."""
        names = {PurePath(word).name for word in self.argv[:4]}
        return any(name in names for name in STARTERS)

    @property
    def looks(self) -> bool:
        """Whether it looks at jobs itself, as somebody else's `lockstep inspect train.py` does."""
        names = [PurePath(word).name for word in self.argv]
        return ("lockstep", "inspect") in pairwise(names)

    @property
    def is_aide(self) -> bool:
        """Whether it is one of those that Python's multiprocessing starts for itself."""
        return any(aide in word for word in self.argv for aide in AIDES)


@dataclass(frozen=True, slots=True)
class Job:
    """`ranks`: the process of each. `others`: Python processes that belong to it and are no ranks."""

    ranks: Mapping[int, Process]
    world: int  # 0: nobody says
    others: tuple[Process, ...]
    ended: tuple[int, ...] = ()  # processes whose parent has not asked how they ended

    @property
    def empty(self) -> bool:
        """Whether nothing was found."""
        return not (self.ranks or self.others or self.ended)


class NotFoundError(ValueError):
    """What was asked for is not there, is not one job, or may not be looked at: what, and what to do."""


def read() -> dict[int, Process]:
    """All processes of this host but this one and those that started it."""
    found = {}
    for entry in listed(Path("/proc")):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                found[int(entry.name)] = _process(int(entry.name))
    return found


def _process(pid: int) -> Process:
    folder = Path(f"/proc/{pid}")
    stat = Stat.of(pid)
    words = tuple(word.decode(errors="replace") for word in (folder / "cmdline").read_bytes().split(b"\0") if word)
    environment: dict[str, str] | None = None
    program = ""
    with contextlib.suppress(OSError):
        environment = variables((folder / "environ").read_bytes())
        program = str((folder / "exe").readlink())
    return Process(
        pid, stat.parent, folder.stat().st_uid, stat.started, stat.ended, words, program, None if stat.ended else environment
    )


class Table:
    """The processes of a host at one moment. `own`: this process and those above and below it, which are in no job."""

    def __init__(self, processes: Mapping[int, Process], own: int) -> None:
        self.processes = processes
        self._children: dict[int, list[int]] = defaultdict(list)
        for process in processes.values():
            self._children[process.parent].append(process.pid)
        self.own = {own, *self._above(own), *self.below([own])}

    def job(self, pids: Sequence[int] = (), name: str = "") -> Job:
        """The job that has one of these processes, or one whose command line has this name; without either the only one.

        Raises NotFoundError.
        """
        for pid in pids:
            self._check(pid)
        named = [] if pids or not name else self._named(name)
        members = self._members(list(pids) or named, by_name=bool(named)) if pids or name else self._all_ranks()
        found = self._job(members)
        if found.empty:
            raise NotFoundError(self._nothing(pids, name))
        return found

    def below(self, roots: Iterable[int]) -> set[int]:
        """All processes that these have started, and those in their turn."""
        found: set[int] = set()
        work = list(roots)
        while work:
            for child in self._children.get(work.pop(), ()):
                if child not in found:
                    found.add(child)
                    work.append(child)
        return found

    def _above(self, pid: int) -> Iterator[int]:
        seen = {pid}
        while (process := self.processes.get(pid)) is not None and process.parent not in seen:
            pid = process.parent
            seen.add(pid)
            yield pid

    def _check(self, pid: int) -> None:
        process = self.processes.get(pid)
        if process is None:
            raise NotFoundError(f"{pid}: no such process on {os.uname().nodename}")
        if pid in self.own:
            raise NotFoundError(f"{pid}: that is what looks, or what has started it")
        if process.ended:
            raise NotFoundError(f"{pid}: it has ended, and its parent (process {process.parent}) has not asked how")
        if process.variables is None:
            who = f"belongs to {_user(process.owner)}: look as that user, or as root"
            raise NotFoundError(f"{pid}: it {who if process.owner != os.getuid() else 'cannot be looked at: look as root'}")

    def _named(self, name: str) -> list[int]:
        others = [one for one in self.processes.values() if one.pid not in self.own and not one.looks]
        found = [one for one in others if any(name in word for word in one.argv)]
        if not found:
            raise NotFoundError(f"{name}: no process on {os.uname().nodename} has this in its command line")
        seen = [one.pid for one in found if one.variables is not None]
        if not seen:
            owners = ", ".join(sorted({_user(one.owner) for one in found}))
            raise NotFoundError(
                f"{name}: what has this in its command line belongs to {owners}: look as that user, or as root"
            )
        return seen

    def _members(self, roots: Sequence[int], by_name: bool) -> list[Process]:
        """What belongs to the same job as these. One that is a rank stands for all that have been started with it."""
        starters = {self._starter(pid) for pid in roots if self.processes[pid].place is not None and not by_name}
        plain = [pid for pid in roots if self.processes[pid].place is None or by_name]
        wanted = self._started_by(starters) | set(plain) | self.below(plain)
        return [process for pid, process in self.processes.items() if pid in wanted and pid not in self.own]

    def _all_ranks(self) -> list[Process]:
        jobs: dict[int, list[Process]] = defaultdict(list)
        for process in self._placed():
            jobs[self._starter(process.pid)].append(process)
        if len(jobs) > 1:
            listed_jobs = "; ".join(f"process {min(one.pid for one in job)} ({_shown(job)})" for job in jobs.values())
            raise NotFoundError(f"{len(jobs)} jobs run here: give a process or a name of one: {listed_jobs}")
        wanted = self._started_by(jobs)
        return [process for pid, process in self.processes.items() if pid in wanted]

    def _placed(self) -> list[Process]:
        return [one for one in self.processes.values() if one.place is not None and one.pid not in self.own]

    def _started_by(self, starters: Collection[int]) -> set[int]:
        """The ranks that these have started, with all below them. Who starts may be a shell, or init: what else it has
        started is another matter.
        """
        ranks = {process.pid for process in self._placed() if self._starter(process.pid) in starters}
        ended = {
            pid for starter in starters for pid in self._children.get(starter, ())
            if self.processes[pid].ended and starter in self.processes and self.processes[starter].is_starter
        }  # fmt: skip
        return ranks | self.below(ranks) | ended

    def _starter(self, pid: int) -> int:
        """The first process above that is in no place: who has started the ranks of this host."""
        above = list(self._above(pid))
        for ancestor in above:
            process = self.processes.get(ancestor)
            if process is None or process.place is None:
                return ancestor
        return above[-1] if above else pid

    def _job(self, members: Sequence[Process]) -> Job:
        placed = [process for process in members if process.place is not None]
        best = min((process.place.level for process in placed if process.place), default=None)
        groups: dict[int, list[Process]] = defaultdict(list)
        worlds = set()
        for process in placed:
            if process.place is not None and process.place.level == best:
                groups[process.place.rank].append(process)
                worlds.add(process.place.world)
        ranks = {rank: self._rank_of(rank, group) for rank, group in sorted(groups.items())}
        if len(worlds) > 1:
            sizes = " and ".join(map(str, sorted(worlds)))
            raise NotFoundError(f"these are ranks of worlds of {sizes}: more than one job; give a process of one of them")
        taken = {process.pid for process in ranks.values()}
        others = [
            one
            for one in members
            if one.is_python and one.pid not in taken and not (one.is_starter or one.is_aide or one.ended)
        ]
        ended = tuple(one.pid for one in members if one.ended)
        return Job(ranks, max(worlds, default=0), tuple(others[:OTHERS]), ended)

    def _rank_of(self, rank: int, group: Sequence[Process]) -> Process:
        """Of the processes that have a rank's environment the one that is it: the uppermost, but not one that wraps it."""
        pids = {process.pid for process in group}
        tops = [process for process in group if process.parent not in pids]
        if len(tops) > 1:
            listed_tops = ", ".join(str(process.pid) for process in tops)
            raise NotFoundError(f"rank {rank} is process {listed_tops}: more than one job; give a process of one of them")
        (top,) = tops
        below = [self.processes[pid] for pid in sorted(self.below([top.pid]) & pids)]
        if top.is_python or not (top.is_wrapper or any(one.is_python for one in below)):
            return top
        return next((one for one in below if one.is_python), next((one for one in below if not one.is_wrapper), top))

    def _nothing(self, pids: Collection[int], name: str) -> str:
        if pids or name:
            what = name or ", ".join(map(str, pids))
            return f"{what}: neither ranks nor Python processes were found there"
        known = "RANK, PMI_RANK, OMPI_COMM_WORLD_RANK, SLURM_PROCID"
        return f"no process on {os.uname().nodename} has the environment of a rank ({known}); give a process or a name"


def _shown(job: Sequence[Process]) -> str:
    one = min(job, key=lambda process: process.pid)
    return PurePath(next((word for word in one.argv[1:] if not word.startswith("-")), one.program)).name


def _user(uid: int) -> str:
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"user {uid}"
