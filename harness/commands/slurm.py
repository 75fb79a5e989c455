"""What `lockstep run` and `lockstep watch` do with Slurm: an allocation of their own, time left, being asked to stop."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

from harness.commands.selection import chosen, loaded
from harness.launch import allocation, srun
from harness.launch.hosts import load_hosts
from harness.launch.own_allocation import Wish, own_allocation, wish_for
from harness.scenario.errors import ScenarioError

MARGIN_S = 90.0  # of an allocation's time: for the reports, and for a case that takes longer than was thought


def end_in_order(signum: int, frame: FrameType | None) -> None:
    """Handler of SIGTERM: as Ctrl-C, once. Slurm may send it again while the ranks are being ended."""
    signal.signal(signum, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def allocated(arguments: argparse.Namespace, options: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Inside an allocation, if srun is to launch: the one in which this is, else one of our own. `options`: of the run that
    is continued."""
    options = {**vars(arguments), **(options or {})}
    if options["launcher"].partition(":")[0] != srun.NAME or allocation.job():
        yield
        return
    with own_allocation(_wish(argparse.Namespace(**options), arguments.hosts or options["hosts"])):
        yield


def _wish(options: argparse.Namespace, hosts: str | None) -> Wish:
    if hosts:
        every = load_hosts(hosts)
        return Wish(len(every), max(host.slots for host in every), tuple(host.name for host in every))
    cases = chosen(options, loaded(options))
    return wish_for([case.nodes for case in cases], [case.ranks for case in cases])


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
