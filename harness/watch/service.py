"""The service that every supervisor gives: it serves the watchdog until that says `end`, or is gone, and then ends all that
it started. Standard library only: it is on the path to the engine's start.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from harness.watch import process
from harness.watch.plan import read_plan

if TYPE_CHECKING:
    from harness.watch.line import Line
    from harness.watch.node import Node

LINGER_S = 2.0  # for the others of a host, which the launcher kills when the first leaves; nobody tells when all are done
RANK_VARIABLES = ("LOCKSTEP_INDEX", "PMI_RANK", "PMIX_RANK", "OMPI_COMM_WORLD_RANK", "SLURM_PROCID")


def rank_of(environ: dict[str, str]) -> int:
    """The rank that the launcher gave to this process. Raises SystemExit when there is none."""
    for name in RANK_VARIABLES:
        if name in environ:
            return int(environ[name])
    raise SystemExit(f"no rank in the environment (looked for {', '.join(RANK_VARIABLES)}): start this with an MPI launcher")


class Service(ABC):
    """What a launcher's process does until it may leave. `number`: which of them it is, as the launcher counts."""

    poll_ms = 10
    scan_s = 0.25
    child: subprocess.Popen[bytes]

    def __init__(self, environ: dict[str, str]) -> None:
        self.plan = read_plan(environ)
        self.number = rank_of(environ)
        self.environ = environ
        self.node: Node | None = None
        if self.plan.remote:
            from harness.watch.node import Node

            self.node = Node(self.plan, environ, self.number)
            environ |= self.node.environment
        self.next_scan = 0.0
        self._oom_kills = process.oom_kills()
        process.adopt_orphans()

    def run(self) -> None:
        """Serve the watchdog until it says `end`, or is gone."""
        from harness.watch.line import Line, LostError

        line = Line(self.plan)
        who = {"host": os.uname().nodename, "machine": self.node.identity if self.node else ""}
        try:
            line.send("hello", rank=self.number, pid=self.child.pid, supervisor=os.getpid(), **who)
            while self._serve(line):
                pass
        except LostError as lost:
            print(f"lockstep supervisor: {lost}; ending what it started", file=sys.stderr, flush=True)
            self.end()
            process.remove_job_folder(os.environ.get("TMPDIR", ""))  # the head would have
            time.sleep(LINGER_S)

    def _serve(self, line: Line) -> bool:
        """One round; False after the last."""
        self.forward(line)
        if time.monotonic() >= self.next_scan:
            self.next_scan = time.monotonic() + self.scan_s
            self.scan(line)
        for message in line.receive(self.poll_ms):
            kind = message["type"]
            if kind == "end":
                self.end()
                self.forward(line)
                line.send("bye")
                # A launcher kills the others of a host when the first of them leaves: none may, before all have cleaned up.
                while not any(message["type"] == "leave" for message in line.receive(self.poll_ms)):
                    pass
                line.close()
                return False
            if kind == "call":
                # What has happened up to now comes before the answer.
                self.forward(line)
                line.send("here", number=message["number"])
            else:
                self.answer(line, message)
        return True

    def ended_by_memory(self, code: int | None) -> bool:
        """Whether a process that ended so was killed by the kernel for want of memory."""
        return code == -signal.SIGKILL and process.oom_kills() > self._oom_kills

    def end(self) -> None:
        """Leave nothing behind; harmless when done twice."""
        self.close()
        if self.node:
            self.node.leave()

    @abstractmethod
    def forward(self, line: Line) -> None:
        """Send what is new: events, output, ends."""

    @abstractmethod
    def scan(self, line: Line) -> None:
        """Look at the processes below this one, now and then."""

    @abstractmethod
    def answer(self, line: Line, message: dict[str, Any]) -> None:
        """Do what the watchdog asks."""

    @abstractmethod
    def close(self) -> None:
        """End all that was started; harmless when done twice."""


def serve(service: Service) -> None:
    """Run it, and end what it started whatever happens to this process. Does not return.

    The launcher sees success whatever the engine did: a verdict is read from its file, never from an exit status.
    """

    def stop(signum: int, frame: object) -> None:
        service.end()
        os._exit(128 + signum)

    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, stop)
    try:
        service.run()
    finally:
        service.end()
    os._exit(0)
