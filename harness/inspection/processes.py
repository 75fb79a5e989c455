"""Which of this host's processes are a job: its ranks, by their environment, and what else belongs to it."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from lockstep.harness.inspection.process import WORKER, Process

OTHERS = 32  # processes that are no ranks, of one host


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
        self._check_one_job(pids)
        return found

    def _check_one_job(self, pids: Sequence[int]) -> None:
        """Raise NotFoundError where some of these would not be shown beside the others."""
        jobs = [self._members([pid], by_name=False) for pid in pids]
        for pid, members in zip(pids, jobs, strict=True):
            if self._job(members).empty:
                raise NotFoundError(self._nothing([pid], ""))
            mine = {one.pid for one in members}
            for other, others in zip(pids, jobs, strict=True):
                apart = mine.isdisjoint(one.pid for one in others)
                if apart and _level(members) != _level(others):
                    raise NotFoundError(f"{pid} and {other} are of two jobs: give processes of one of them")

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
        plain = [
            pid if by_name else _program(pid, self.processes, self.own)
            for pid in roots
            if self.processes[pid].place is None or by_name
        ]
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


def _program(pid: int, processes: Mapping[int, Process], own: Collection[int]) -> int:
    """Of a worker that a program in Python has started with multiprocessing: that program, to which its siblings belong
    too. Any other process is its own.
    """
    while (parent := processes.get((one := processes[pid]).parent)) is not None and parent.pid not in own:
        forked = one.argv == parent.argv and one.program == parent.program
        spawned = WORKER in one.argv or one.is_aide
        if not (parent.is_python and (forked or spawned)):
            break
        pid = parent.pid
    return pid


def _level(members: Sequence[Process]) -> int | None:
    """By what these are ranks; None of processes that are none."""
    return min((process.place.level for process in members if process.place), default=None)


def _shown(job: Sequence[Process]) -> str:
    one = min(job, key=lambda process: process.pid)
    return PurePath(next((word for word in one.argv[1:] if not word.startswith("-")), one.program)).name


def _user(uid: int) -> str:
    with contextlib.suppress(KeyError):
        return pwd.getpwuid(uid).pw_name
    return f"user {uid}"
