"""The pool: places on the hosts of a run, handed to cases that run side by side, each in a thread of its own."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from lockstep.harness.launch.interface import Interface
from lockstep.harness.launch.rank_map import Node, RankMap
from lockstep.harness.placement.allocator import Seat, Seats, find
from lockstep.harness.placement.backfill import Turns
from lockstep.harness.placement.request import Gpus, NoRoomError, Room, Wish, wish
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.engine import find_engine, is_attached

C = TypeVar("C")
T = TypeVar("T")
CORES_A_RANK = 2  # a rank, and what its supervisor, its launcher and the watchdog need beside it
UNBOUNDED = 1 << 30  # slots of this host where the user says how many cases run at once
_TICK_S = 0.5  # how often the waiting main thread looks up, so that Ctrl-C is heard


@dataclass(frozen=True, slots=True)
class Pool:
    """Hosts, and how many cases may run on them at once. `head`: the interface by which they reach this one.

    `firm`: it was said how many slots they have, and no case gets more. `named`: the user has listed them.
    """

    rooms: tuple[Room, ...]
    most: int
    head: Interface | None = None
    firm: bool = True
    named: bool = True

    @staticmethod
    def here(jobs: int | None, cores: int, gpus: Sequence[str] = (), share: int = 1) -> Pool:
        """This host. `jobs` cases at once, whatever their ranks; None: as many as its cores and GPUs hold.

        `share`: how many cases may be on one GPU.
        """
        slots = UNBOUNDED if jobs else max(1, cores // CORES_A_RANK)
        room = Room(os.uname().nodename, slots, tuple(gpus), here=True, share=share)
        return Pool((room,), jobs or slots + room.gpu_places, firm=False, named=False)

    @staticmethod
    def on(rooms: Sequence[Room], jobs: int | None, head: Interface | None = None, named: bool = True) -> Pool:
        """Several hosts. `jobs` cases at once, if they fit; None: as many as fit."""
        return Pool(tuple(rooms), jobs or sum(room.slots + room.gpu_places for room in rooms), head, named=named)

    def wish(self, case: Case) -> Wish:
        """What a case needs of these hosts. Raises NoRoomError."""
        attached = is_attached(find_engine(case.engine))
        here_only = attached and case.spec["config"]["launcher"] == "none"
        if here_only and not (len(self.rooms) == 1 and self.rooms[0].here):
            raise NoRoomError("`config.launcher: none` starts processes on this host only; leave out --hosts")
        return wish(case, self.rooms, attached, self.firm)

    def at_once(self, wish: Wish) -> int:
        """How many cases of one kind run side by side."""
        taken: list[Seat] = []
        count = 0
        while count < self.most and (seats := find(self.rooms, taken, wish)) is not None:
            taken += seats
            count += 1
        return count

    def rank_map(self, wish: Wish, seats: Seats) -> RankMap:
        """Where the ranks of a case run. A case that runs alone, and a program, is told no GPUs: it may see all."""
        told = self.most > 1 and wish.gpus is not Gpus.ALL
        rooms = [self.rooms[seat.room] for seat in seats]
        nodes = tuple(
            Node(room.host, seat.ranks, seat.gpus if told else ()) for room, seat in zip(rooms, seats, strict=True)
        )
        local = len(rooms) == 1 and rooms[0].here
        return RankMap(nodes, local, None if local else self.head)

    def run(
        self, cases: Sequence[C], wishes: Sequence[Wish], one: Callable[[C, RankMap], T], stop: threading.Event
    ) -> list[T]:
        """`one` of every case, with the places that it gets; the results in the order of the cases.

        After an exception here (Ctrl-C) or in a case, `stop` is set, which must end the others in order; then it is raised.
        """
        turns = Turns(self.rooms, self.most, wishes)
        if self.most == 1:  # in this thread, which is the one that hears Ctrl-C
            results: dict[int, T] = {}
            while (turn := turns.next()) is not None:
                number, seats = turn
                results[number] = one(cases[number], self.rank_map(wishes[number], seats))
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
                        number, seats = turn
                        futures[number] = threads.submit(one, cases[number], self.rank_map(wishes[number], seats))
                        futures[number].add_done_callback(lambda _: changed.set())
                    if turns.running:
                        changed.wait(_TICK_S)
                return [futures[number].result() for number in range(len(cases))]
            except BaseException:
                stop.set()
                raise


def jobs_of(text: str) -> int | None:
    """From `--jobs`: a number of cases; None for `auto`. Raises ValueError for anything else."""
    if text == "auto":
        return None
    count = int(text) if text.isdigit() else 0
    if count < 1:
        raise ValueError(f"--jobs {text}: give a number from 1 on, or auto")
    return count
