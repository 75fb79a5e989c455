"""Several cases at once: as many as were asked for, or as many as this host has cores for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Launchable(Protocol):
    """A case, or what else launches ranks."""

    @property
    def ranks(self) -> int:
        """How many."""


C = TypeVar("C", bound=Launchable)
T = TypeVar("T")
CORES_A_RANK = 2  # a rank, and what its supervisor, its launcher and the watchdog need beside it
_TICK_S = 0.5  # how often the waiting main thread looks up, so that Ctrl-C is heard


@dataclass(frozen=True, slots=True)
class Packing:
    """At most `cases` cases at once, and no more than `ranks` ranks unless a case alone has more."""

    cases: int
    ranks: int

    @staticmethod
    def parse(jobs: str, cores: int) -> Packing:
        """From `--jobs`: a number of cases, or `auto`. Raises ValueError for anything else."""
        if jobs == "auto":
            ranks = max(1, cores // CORES_A_RANK)
            return Packing(ranks, ranks)
        count = int(jobs) if jobs.isdigit() else 0
        if count < 1:
            raise ValueError(f"--jobs {jobs}: give a number from 1 on, or auto")
        return Packing(count, 1 << 30)

    def run(self, cases: Sequence[C], one: Callable[[C], T], stop: threading.Event) -> list[T]:
        """`one` of every case, started in their order; the results likewise.

        After an exception here (Ctrl-C) or in a case, `stop` is set, which must end the others in order; then it is raised.
        """
        if self.cases == 1:
            return [one(case) for case in cases]  # in this thread, which is the one that hears Ctrl-C
        free = self.ranks
        changed = threading.Condition()

        def finished(case: C) -> None:
            nonlocal free
            with changed:
                free += min(case.ranks, self.ranks)
                changed.notify()

        futures: list[Future[T]] = []
        with ThreadPoolExecutor(self.cases, thread_name_prefix="case") as pool:
            try:
                for case in cases:
                    with changed:
                        while free < min(case.ranks, self.ranks) or sum(not f.done() for f in futures) >= self.cases:
                            changed.wait(_TICK_S)
                            _raise_failed(futures)
                        free -= min(case.ranks, self.ranks)
                    future = pool.submit(one, case)
                    future.add_done_callback(lambda _, case=case: finished(case))  # type: ignore[misc]
                    futures.append(future)
                while not all(future.done() for future in futures):
                    with changed:
                        changed.wait(_TICK_S)
                    _raise_failed(futures)
                return [future.result() for future in futures]
            except BaseException:
                stop.set()
                raise


def _raise_failed(futures: Sequence[Future[T]]) -> None:
    """Raise what a case has raised, without waiting for the others."""
    for future in futures:
        if future.done():
            future.result()


ONE_BY_ONE = Packing(1, 1)
