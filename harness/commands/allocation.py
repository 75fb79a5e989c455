"""What `run` and `watch` do with a scheduler: an allocation of their own, and time left."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from lockstep.harness.commands.hosts import HostOptions
from lockstep.harness.launch import allocation
from lockstep.harness.placement.hosts import load_hosts
from lockstep.harness.scenario.case import Case
from lockstep.harness.scenario.errors import ScenarioError

MARGIN_S = 90.0  # of an allocation's time: for the reports, and for a case that takes longer than was thought


def allocated_for(options: HostOptions, cases: Sequence[Case]) -> AbstractContextManager[None]:
    """Inside an allocation, if a scheduler's own launcher is to launch: one of our own, where this is in none.

    It has room for each of the cases, by turns.
    """
    scheduler = allocation.of_launcher(options.launcher)
    if scheduler is None or allocation.current() is not None:
        return nullcontext()
    if options.hosts:
        every = load_hosts(options.hosts)
        return scheduler.allocate(len(every), max(host.slots for host in every), tuple(host.name for host in every))
    return scheduler.allocate(*allocation.enough_for([case.nodes for case in cases], [case.ranks for case in cases]))


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
