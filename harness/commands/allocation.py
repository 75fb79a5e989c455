"""What `run` and `watch` do with a scheduler: an allocation of their own, time left, being asked to stop."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from lockstep.harness.launch import allocation
from lockstep.harness.placement.hosts import load_hosts
from lockstep.harness.scenario.errors import ScenarioError

MARGIN_S = 90.0  # of an allocation's time: for the reports, and for a case that takes longer than was thought


def end_in_order(signum: int, frame: FrameType | None) -> None:
    """Handler of SIGTERM: as Ctrl-C, once. A scheduler may send it again while the ranks are being ended."""
    signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def allocated(arguments: argparse.Namespace, nodes: Sequence[Sequence[int]], ranks: Sequence[int]) -> Iterator[None]:
    """Inside an allocation, if a scheduler's own launcher is to launch: one of our own, where this is in none.

    It has room for each of some cases, by turns; `nodes`: how many ranks each node of a case has, `ranks`: of each case.
    """
    scheduler = allocation.of_launcher(arguments.launcher)
    if scheduler is None or allocation.current() is not None:
        yield
        return
    if arguments.hosts:
        every = load_hosts(arguments.hosts)
        own = scheduler.allocate(len(every), max(host.slots for host in every), tuple(host.name for host in every))
    else:
        own = scheduler.allocate(*allocation.enough_for(nodes, ranks))
    with own:
        yield


def budget_s(text: str | None) -> float | None:
    """`--budget`: seconds, or `auto`: what is left of the allocation's time. Raises ScenarioError."""
    if text is None:
        return None
    if text == "auto":
        left = allocation.left_s()
        return None if left is None else max(left - MARGIN_S, 1.0)
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not found > 0:
        raise ScenarioError(f"--budget {text}: give a number of seconds above 0, or auto")
    return found
