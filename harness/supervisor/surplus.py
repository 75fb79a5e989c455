"""A supervisor that the launcher has started beyond those that were asked for: it starts nothing, and only says so."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from lockstep.harness.channel.bootstrap import Plan

POLL_MS = 50


def turn_away(plan: Plan, number: int) -> NoReturn:
    """Tell the watchdog, and stay until it says that all may leave: a launcher ends the others when one of them leaves.

    Raises SystemExit.
    """
    from lockstep.harness.channel.identity import clocks, identity
    from lockstep.harness.channel.supervisor_end import Line, LostError
    from lockstep.harness.channel.to_supervisor import Leave
    from lockstep.harness.channel.to_watchdog import Hello

    line = Line(plan)
    try:
        line.send(Hello(number, 0, os.getpid(), **identity(), address="", **clocks()))
        while not any(isinstance(message, Leave) for message in line.receive(POLL_MS)):
            pass
        line.close()
    except LostError:
        line.drop()
    host = os.uname().nodename
    raise SystemExit(
        f"lockstep supervisor on {host}: nothing was started for rank {number} of {plan.world}: it is one too many"
    )
