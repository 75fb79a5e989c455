"""The log of a supervisor: in the case's folder where that is on this host, else by the line to the watchdog.

Imported only when LOCKSTEP_LOG is set: it would be on the way of each of N supervisors.
"""

from __future__ import annotations

import logging
from pathlib import Path

from lockstep.harness.channel.bootstrap import Plan
from lockstep.harness.channel.identity import machine
from lockstep.harness.channel.logs import ProcessLog, level, supervisor_log_name
from lockstep.harness.channel.supervisor_end import Line
from lockstep.harness.channel.to_watchdog import Log

MOST_CHARS = 1 << 20  # that wait to be sent; the rest is left out


class SupervisorLog:
    """Lines of one supervisor. What was not sent when the watchdog is lost is lost with it."""

    def __init__(self, plan: Plan, number: int, environ: dict[str, str]) -> None:
        self._waiting: list[str] = []
        self._chars = 0
        wanted, folder = level(environ), Path(plan.log_folder)
        if plan.machine == machine() and folder.is_dir():
            log = ProcessLog.to_file(folder / supervisor_log_name(number), wanted)
        else:
            log = ProcessLog.to_call(self._take, wanted)
        self.supervisor: logging.Logger = log.theme("supervisor")
        self.channel: logging.Logger = log.theme("channel")

    def _take(self, line: str) -> None:
        if self._chars < MOST_CHARS:
            self._waiting.append(line)
            self._chars += len(line)

    def send(self, line: Line) -> None:
        """Send the lines that wait."""
        if self._waiting:
            text, self._waiting, self._chars = "".join(self._waiting), [], 0
            line.send(Log(text))
