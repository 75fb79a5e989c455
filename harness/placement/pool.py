"""The pool: the hosts of a run, handed to cases that run side by side, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from lockstep.harness.launch.rank_map import RankMap
from lockstep.harness.placement.allocator import NodeSlot, NodeSlots, allocate
from lockstep.harness.placement.backfill import Backfill
from lockstep.harness.placement.capacity import Capacity
from lockstep.harness.placement.hosts import UNLIMITED
from lockstep.harness.placement.placement import Placement
from lockstep.harness.placement.request import Lack, PlacementRequest
from lockstep.harness.scenario.case import Case

C = TypeVar("C")
T = TypeVar("T")
CORES_A_RANK = 2  # a rank, and what its supervisor, its launcher and the watchdog need beside it
_TICK_S = 0.5  # how often the waiting main thread looks up, so that Ctrl-C is heard


@dataclass(frozen=True, slots=True)
class Pool:
    """Hosts, and how many cases may run on them at once. `named`: the user has listed these hosts."""

    capacity: Capacity
    most: int
    named: bool = True

    @staticmethod
    def here(jobs: int | None, cores: int, gpus: Sequence[str] = (), share: int = 1) -> Pool:
        """This host. `jobs` cases at once, whatever their ranks; None: as many as its cores and GPUs hold.

        `share`: how many cases may be on one GPU.
        """
        slots = UNLIMITED if jobs else max(1, cores // CORES_A_RANK)
        return Pool.on(Capacity.here(slots, tuple(gpus), share), jobs, named=False)

    @staticmethod
    def on(capacity: Capacity, jobs: int | None, named: bool = True) -> Pool:
        """These hosts. `jobs` cases at once, if they fit; None: as many as fit."""
        return Pool(capacity, jobs or sum(host.slots + host.gpu_places for host in capacity.hosts), named)

    def request(self, case: Case) -> PlacementRequest:
        """What a case asks of these hosts. Raises ScenarioError when they cannot hold it."""
        request = PlacementRequest.of(case, self.capacity)
        if isinstance(request, Lack):
            raise request.error(case)
        return request

    def at_once(self, request: PlacementRequest) -> int:
        """How many cases of one kind run side by side."""
        taken: list[NodeSlot] = []
        count = 0
        while count < self.most and (slots := allocate(self.capacity.hosts, taken, request)) is not None:
            taken += slots
            count += 1
        return count

    def run(
        self,
        cases: Sequence[C],
        requests: Sequence[PlacementRequest],
        one: Callable[[C, RankMap], T],
        stop: threading.Event,
    ) -> list[T]:
        """`one` of every case, with the places that it gets; the results in the order of the cases.

        After an exception here (Ctrl-C) or in a case, `stop` is set, which must end the others in order; then it is raised.
        """
        turns = Backfill(self.capacity.hosts, self.most, requests)
        if self.most == 1:  # in this thread, which is the one that hears Ctrl-C
            results: dict[int, T] = {}
            while (turn := turns.next()) is not None:
                number, slots = turn
                results[number] = one(cases[number], self._rank_map(requests[number], slots))
                turns.end(number)
            return [results[number] for number in range(len(cases))]
        changed = threading.Event()
        futures: dict[int, Future[T]] = {}
        with ThreadPoolExecutor(max(1, min(self.most, len(cases))), thread_name_prefix="case") as threads:
            try:
                while turns.waiting or turns.running:
                    changed.clear()
                    for number in [number for number in turns.running if futures[number].done()]:
                        futures[number].result()  # raises what the case has raised, without waiting for the others
                        turns.end(number)
                    while (turn := turns.next()) is not None:
                        number, slots = turn
                        futures[number] = threads.submit(one, cases[number], self._rank_map(requests[number], slots))
                        futures[number].add_done_callback(lambda _: changed.set())
                    if turns.running:
                        changed.wait(_TICK_S)
                return [futures[number].result() for number in range(len(cases))]
            except BaseException:
                stop.set()
                raise

    def _rank_map(self, request: PlacementRequest, slots: NodeSlots) -> RankMap:
        return Placement(request, slots).rank_map(self.capacity, exposed=self.most > 1)


def jobs_of(text: str) -> int | None:
    """From `--jobs`: a number of cases; None for `auto`. Raises ValueError for anything else."""
    if text == "auto":
        return None
    count = int(text) if text.isdecimal() and len(text) < 10 else 0
    if count < 1:
        raise ValueError(f"--jobs {text[:40]}: give a number from 1 on, or auto")
    return count
