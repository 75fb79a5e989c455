"""The GPUs of this host, handed out to cases that run side by side.

A case whose ranks have a GPU each gets as many for itself alone. Cases whose ranks share one GPU may also share it with one
another: `--jobs` says how many run at once. Who came first is served first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from harness.scenario.case import Case

VISIBLE = "CUDA_VISIBLE_DEVICES"
_TICK_S = 0.5  # how often one who waits looks whether the run is to end


class GpuPool:
    """Which of the GPUs are free. `names`: as CUDA_VISIBLE_DEVICES takes them."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._sharers = dict.fromkeys(self.names, 0)
        self._alone: set[str] = set()
        self._queue: deque[object] = deque()
        self._changed = threading.Condition()

    @staticmethod
    def visible(count: int, environment: Mapping[str, str]) -> GpuPool:
        """The GPUs of a host that has `count`, or those of them that the environment leaves to us."""
        if VISIBLE in environment:
            return GpuPool([name.strip() for name in environment[VISIBLE].split(",") if name.strip()])
        return GpuPool([str(number) for number in range(count)])

    def need(self, case: Case) -> tuple[int, bool]:
        """How many GPUs a case takes, and whether for itself alone."""
        if case.spec.get("device") != "cuda" or not self.names:
            return 0, False
        shared = (case.spec.get("gpu") or {}).get("plane") == "symm_mem" or case.ranks > len(self.names)
        return (1, False) if shared else (case.ranks, True)

    @contextmanager
    def seats(self, case: Case, stopped: Callable[[], bool] = lambda: False) -> Iterator[tuple[str, ...]]:
        """Wait for the GPUs that a case needs and hold them. Raises KeyboardInterrupt when the run is to end meanwhile."""
        count, alone = self.need(case)
        if not count:
            yield ()
            return
        held = self._take(count, alone, stopped)
        try:
            yield held
        finally:
            with self._changed:
                self._alone.difference_update(held)
                if not alone:
                    self._sharers[held[0]] -= 1
                self._changed.notify_all()

    def _take(self, count: int, alone: bool, stopped: Callable[[], bool]) -> tuple[str, ...]:
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            try:
                while not (self._queue[0] is ticket and (found := self._free(count, alone))):
                    if stopped():
                        raise KeyboardInterrupt
                    self._changed.wait(_TICK_S)
            finally:
                self._queue.remove(ticket)
                self._changed.notify_all()
            if alone:
                self._alone.update(found)
            else:
                self._sharers[found[0]] += 1
            return found

    def _free(self, count: int, alone: bool) -> tuple[str, ...]:
        """GPUs that would do now; none when there are too few."""
        rest = [name for name in self.names if name not in self._alone]
        if alone:
            rest = [name for name in rest if not self._sharers[name]]
            return tuple(rest[:count]) if len(rest) >= count else ()
        return (min(rest, key=lambda name: self._sharers[name]),) if rest else ()


def on_gpus(case: Case, gpus: Sequence[str]) -> Case:
    """The case with ranks that see these GPUs only, whatever else runs beside it."""
    if not gpus:
        return case
    seen = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", VISIBLE: ",".join(gpus)}  # in the order that NVML counts them
    return replace(case, spec={**case.spec, "environment": {**case.spec.get("environment", {}), **seen}})
